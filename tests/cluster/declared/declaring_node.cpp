#include "tests/cluster/declared/declaring_node.hpp"

#include "persistence/keys.hpp"
#include "persistence/record.hpp"
#include "schema/records.capnp.h"

namespace coppice::testing {
namespace {

struct door_state {};

journal_handle::behavior_type door(journal_handle::stateful_pointer<door_state>, journal_handle journal,
                                   std::shared_ptr<std::atomic<int>> closed,
                                   std::shared_ptr<std::atomic<std::size_t>> refused,
                                   std::shared_ptr<std::atomic<std::size_t>> commands) {
    return {
        [=](const propose& message) {
            if (const int why = closed->load(); why != 0) {
                ++*refused;
                return message.what->refuse({static_cast<errc>(why), "the door is closed", 0});
            }
            *commands += message.what->commands();
            caf::anon_send(journal, message);
        },
        [](const worker_attached&) {},
        [](const worker_draining&) {},
        [](const worker_detached&) {},
        [](journal_wake) {},
    };
}

template <class Record>
std::set<std::string> rows_of(store& data, table t) {
    std::set<std::string> found;
    const auto tables = data.begin_read();
    for (auto r = tables->seek(t, as_bytes_view(std::string_view{"\0", 1})); r; r = tables->next(t)) {
        record_reader<Record> reader;
        const auto stored = reader.read(r->value);
        key_reader key{r->key};
        key.u16();
        found.insert(std::string{stored.getName().cStr()} + ":" + std::to_string(key.u32()) + "@" +
                     std::to_string(stored.getVersion()));
    }
    return found;
}

} // namespace

test_shard_journal::test_shard_journal(caf::actor_system& system) {
    const auto nobody = make_relay(system, when_down::stash); // no job is ever started
    journal_ = system.spawn<caf::detached>(journal_actor, tree_handle{}, journal_options{.data = data_.get()},
                                           nobody.as<shard_handle>());
    door_ = system.spawn(door, journal_, closed_, refused_, commands_);
}

test_shard_journal::~test_shard_journal() {
    caf::anon_send_exit(door_, caf::exit_reason::kill);
    caf::scoped_actor self{journal_->home_system()};
    caf::anon_send_exit(journal_, caf::exit_reason::user_shutdown);
    self->wait_for(journal_); // it uses the store
}

std::set<std::string> test_shard_journal::tenants() const {
    return rows_of<rec::TenantRow>(*data_, table::tenants);
}
std::set<std::string> test_shard_journal::types() const { return rows_of<rec::TypeRow>(*data_, table::types); }

declaring_node::declaring_node(caf::actor_system& system, const etcd_options& etcd, const test_shard_journal& shard,
                               std::shared_ptr<control_rows> rows)
    : store(std::make_unique<lossy_store>(must(make_etcd_control_store(etcd)))),
      copy(must(declared_copy::start(*store, std::move(rows)))) {
    spec_readers readers = test_readers();
    const auto plain = readers.job_type;
    readers.job_type = [plain, called = readers_called_](std::string_view text) {
        ++*called;
        return plain(text);
    };
    load_catalog(*copy, test_readers(), *board);
    cluster_control_options options{.store = store.get(),
                                    .copy = copy,
                                    .board = board,
                                    .refresh = refresh,
                                    .journal = shard.port(),
                                    .readers = readers,
                                    .refused = [noted = noted_](const std::string& key, const failure&) {
                                        const std::lock_guard guard{noted->mutex};
                                        noted->keys.push_back(key);
                                    }};
    actor_ = system.spawn(cluster_control_actor, tree_handle{}, options);
}

declaring_node::~declaring_node() {
    {
        caf::scoped_actor self{actor_->home_system()};
        caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
        self->wait_for(actor_);
    }
    copy->on_change(nullptr);
    actor_ = nullptr;
    copy.reset(); // before the store that it follows
    store->stop();
}

std::future<declaring_node::answer> declaring_node::begin(std::vector<document> documents, bool dry_run,
                                                          std::string by) {
    const auto promise = std::make_shared<std::promise<answer>>();
    auto request = std::make_shared<declare_documents>();
    request->documents = std::move(documents);
    request->by = std::move(by);
    request->dry_run = dry_run;
    request->done = [promise](answer result) { promise->set_value(std::move(result)); };
    caf::anon_send(actor_, std::move(request));
    return promise->get_future();
}

declaring_node::answer declaring_node::apply(std::vector<document> documents, bool dry_run) {
    auto answered = begin(std::move(documents), dry_run);
    if (answered.wait_for(2 * patience) != std::future_status::ready) BOOST_FAIL("an apply was not answered");
    return answered.get();
}

std::string words(const declaring_node::answer& answer) {
    if (!answer) {
        BOOST_TEST_MESSAGE(to_string(answer.error())); // shown with --log_level=message
        return std::string{to_string(answer.error().code)};
    }
    std::string text;
    for (const document_change& c : *answer) {
        constexpr std::array<std::string_view, 3> names{"unchanged", "created", "updated"};
        text.append(text.empty() ? "" : " ").append(names.at(static_cast<std::size_t>(c.change)));
    }
    return text;
}

} // namespace coppice::testing
