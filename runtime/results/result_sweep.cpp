#include "runtime/results/result_sweep.hpp"

#include <algorithm>
#include <future>

#include "actors/jobs/job_keys.hpp"
#include "persistence/record.hpp"
#include "runtime/results/result_name.hpp"
#include "schema/records.capnp.h"

namespace coppice {
namespace {

constexpr std::chrono::seconds patience{120}; // for one answer of the store, which tries three times by itself
constexpr std::size_t owner_size_max = 1024;

// The answer of a call that is given a callback. A store that is taken down never gives it.
template <class T, class Call>
expected<T> answer_of(Call&& call) {
    const auto promise = std::make_shared<std::promise<expected<T>>>();
    auto answer = promise->get_future();
    call([promise](expected<T> given) { promise->set_value(std::move(given)); });
    if (answer.wait_for(patience) != std::future_status::ready)
        return fail(errc::unavailable, "the result store does not answer");
    return answer.get();
}

} // namespace

result_sweep::result_sweep(store& data, std::shared_ptr<result_desk> desk, settings chosen, logger log)
    : data_(data), desk_(std::move(desk)), settings_(std::move(chosen)), log_(std::move(log)),
      walk_(
          settings_.every, settings_.first,
          [this](const std::atomic<bool>& stop) {
              if (const auto dropped = sweep(&stop); !dropped)
                  not_swept(dropped.error().detail);
              else if (*dropped > 0)
                  log_.info("results that no job names were dropped", {{"results", std::uint64_t{*dropped}}});
          },
          [this](std::string_view why) { not_swept(why); }) {}

void result_sweep::not_swept(std::string_view why) { log_.warn("the result store was not swept", {{"why", why}}); }

expected<void> result_sweep::claim(object_store& objects) {
    const auto owner =
        answer_of<std::string>([&](auto then) { objects.get("owner", owner_size_max, std::move(then)); });
    if (owner && *owner != settings_.owner)
        return fail(errc::conflict, objects.place() + " is the result store of \"" + *owner + "\", not of \"" +
                                        settings_.owner + "\": give each its own");
    if (owner) return {};
    if (owner.error().code != errc::not_found) return tl::unexpected(owner.error());
    return answer_of<void>([&](auto then) { objects.put("owner", settings_.owner, std::move(then)); });
}

// A report that waits for room may have been on its way for long: its attempt runs yet.
bool result_sweep::is_named(const attempt_ref& ref) {
    const auto tables = data_.begin_read();
    const auto stored = tables->get(table::jobs, keys::job(ref.job));
    if (!stored) return false;
    record_reader<rec::JobRow> reader;
    const auto row = reader.read(*stored);
    const bool holds = row.getState() == rec::State::SUCCEEDED && row.getResultDigest().size() > 0;
    return row.getAttempt() == ref.attempt && (holds || row.getState() == rec::State::RUNNING);
}

// Those that were stored a moment ago are told of later: the job is there.
bool result_sweep::has_lines(const attempt_ref& ref) {
    return data_.begin_read()->get(table::jobs, keys::job(ref.job)).has_value();
}

std::optional<job_id> result_sweep::left_over(const object_store::entry& each) {
    const auto result = read_result_name(each.name);
    const auto lines = result ? std::nullopt : read_lines_name(each.name);
    if (!result && !lines) return std::nullopt; // not ours to judge
    const attempt_ref& ref = result ? *result : lines->ref;
    if (ref.job.shard().value >= settings_.shards || (settings_.leads && !settings_.leads(ref.job.shard())))
        return std::nullopt;
    if (wall_clock_now() - each.written < settings_.min_age) return std::nullopt;
    return (result ? is_named(ref) : has_lines(ref)) ? std::nullopt : std::optional{ref.job};
}

expected<std::size_t> result_sweep::sweep(const std::atomic<bool>* stop) {
    const auto objects = desk_->objects();
    if (!objects) return 0;
    if (auto mine = claim(*objects); !mine) return tl::unexpected(mine.error());
    std::size_t dropped = 0;
    std::string after;
    for (bool more = true; more;) {
        const auto page = answer_of<object_store::page>([&](auto then) { objects->list(after, std::move(then)); });
        if (!page) return tl::unexpected(page.error());
        std::vector<std::pair<shard_id, std::string>> unnamed;
        for (const auto& each : page->entries)
            if (const auto job = left_over(each)) unnamed.emplace_back(job->shard(), each.name);
        // Leadership may have gone while the rows were read: what it wrote since is not here.
        std::vector<std::string> names;
        for (auto& [shard, name] : unnamed)
            if (!settings_.leads || settings_.leads(shard)) names.push_back(std::move(name));
        desk_->drop_named(names);
        dropped += names.size();
        more = page->more && !page->entries.empty() && (stop == nullptr || !*stop);
        if (more) after = page->entries.back().name;
    }
    return dropped;
}

} // namespace coppice
