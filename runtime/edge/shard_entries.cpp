#include "runtime/edge/shard_entries.hpp"

#include <capnp/serialize.h>

namespace coppice {
namespace {

using result_list = std::vector<command_result>;

// A promise of the results, which the journal's thread answers after the commit.
kj::Promise<result_list> propose_entry(edge_context& edge, shard_id shard, capnp::MessageBuilder& entry,
                                       std::size_t commands, bool grows) {
    auto [promise, answer] = make_loop_answer<result_list>(edge.inbox);
    auto done = [answer = std::move(answer)](std::span<command_result> given) {
        answer->give(result_list(std::make_move_iterator(given.begin()), std::make_move_iterator(given.end())));
    };
    edge.journal.propose(
        std::make_shared<proposal>(capnp::messageToFlatArray(entry), commands, grows, std::move(done), shard));
    return kj::mv(promise);
}

} // namespace

cmd::Command::Builder shard_entries::next(shard_id shard) {
    entry& e = entries_[shard];
    if (!e.message) {
        e.message = kj::heap<capnp::MallocMessageBuilder>(static_cast<unsigned>(first_words_));
        e.commands = e.message->initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(commands_max_));
    }
    places_.emplace_back(shard, e.used);
    return e.commands[e.used++];
}

std::optional<cmd::Entry::Reader> shard_entries::entry_for(shard_id shard) {
    const auto found = entries_.find(shard);
    if (found == entries_.end()) return std::nullopt;
    return found->second.message->getRoot<cmd::Entry>().asReader();
}

// Commands beyond those that were taken stay `none`: each has a result, which nobody looks at.
kj::Promise<result_list> shard_entries::propose(edge_context& edge, bool grows) {
    if (entries_.empty()) return result_list{};
    if (entries_.size() == 1) {
        auto& [shard, only] = *entries_.begin();
        return propose_entry(edge, shard, *only.message, only.commands.size(), grows);
    }
    auto promises = kj::heapArrayBuilder<kj::Promise<result_list>>(entries_.size());
    std::map<shard_id, std::size_t> at;
    for (auto& [shard, e] : entries_) {
        at.emplace(shard, promises.size());
        promises.add(propose_entry(edge, shard, *e.message, e.commands.size(), grows));
    }
    return kj::joinPromises(promises.finish())
        .then([places = places_, at = std::move(at)](kj::Array<result_list> all) {
            result_list results;
            results.reserve(places.size());
            for (const auto& [shard, index] : places) results.push_back(std::move(all[at.at(shard)][index]));
            return results;
        });
}

} // namespace coppice
