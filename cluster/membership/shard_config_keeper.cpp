#include "cluster/membership/shard_config_keeper.hpp"

#include <algorithm>

#include "cluster/membership/shard_record.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

constexpr std::string_view shards_prefix = "/shards/";

using answer = replica_machine::answer;

// What is there, when a compare failed and what it met can be read.
std::optional<shard_config> met(const control_refusal& refusal) {
    if (refusal.now.empty() || !refusal.now.front().entry) return std::nullopt;
    const control_entry& entry = *refusal.now.front().entry;
    auto config = decode_shard_config(entry.value, entry.revision);
    return config ? std::optional{std::move(*config)} : std::nullopt;
}

// Under "/shards/" too, so that every node has it in its copy.
const std::string count_key = std::string{shards_prefix} + "count";

failure another_count(std::uint32_t ours, std::string_view there) {
    return {errc::illegal_transition, "cluster.shards: this node's configuration says " + std::to_string(ours) +
                                          ", but the cluster was founded with " +
                                          std::string{there.substr(0, limits::name_size_max)} + ", for good"};
}

// The first configurations, one after the other: each commit's answer begins the next.
class creation : public std::enable_shared_from_this<creation> {
  public:
    creation(control_store& store, std::uint32_t count, std::vector<node_id> replicas, std::vector<shard_id> shards,
             std::function<void(expected<void>)> done)
        : store_(store), count_(count), replicas_(std::move(replicas)), shards_(std::move(shards)),
          done_(std::move(done)) {}

    void begin() {
        if (count_ == 0) return go_on();
        store_.commit({{{count_key, 0}}, {{count_key, std::to_string(count_)}}, {}},
                      [self = shared_from_this()](const auto& result) {
                          if (result) return self->go_on();
                          const control_refusal& no = result.error();
                          if (no.why.code != errc::conflict) return self->done_(tl::unexpected(no.why));
                          const bool is_there = !no.now.empty() && no.now.front().entry.has_value();
                          const std::string there = is_there ? no.now.front().entry->value : "";
                          if (there == std::to_string(self->count_)) return self->go_on();
                          self->done_(tl::unexpected(another_count(self->count_, there)));
                      });
    }

    void go_on() {
        if (at_ == shards_.size()) return done_({});
        const shard_id shard = shards_[at_];
        const node_id primary = replicas_[at_ % replicas_.size()];
        const shard_config first{.primary = primary, .in_sync = {primary}, .replicas = replicas_};
        if (auto ok = validate(first); !ok) return done_(std::move(ok));
        const std::string key = shard_key(shard);
        ++at_;
        store_.commit({{{key, 0}}, {{key, encode(first)}}, {}}, [self = shared_from_this()](auto result) {
            // It has one already.
            if (result || result.error().why.code == errc::conflict) return self->go_on();
            self->done_(tl::unexpected(result.error().why));
        });
    }

  private:
    control_store& store_;
    const std::uint32_t count_;
    const std::vector<node_id> replicas_;
    const std::vector<shard_id> shards_;
    const std::function<void(expected<void>)> done_;
    std::size_t at_ = 0;
};

} // namespace

expected<std::unique_ptr<shard_config_keeper>> shard_config_keeper::start(shard_config_keeper_options options) {
    std::unique_ptr<shard_config_keeper> keeper{new shard_config_keeper(std::move(options))};
    const shard_config_keeper_options& given = keeper->options_;
    auto mirror = control_mirror::start(
        {.store = given.store,
         .prefix = std::string{shards_prefix},
         .rows = given.rows,
         .changed = [k = keeper.get()](const auto& changes, control_position) { k->changed(changes); }});
    if (!mirror) return tl::unexpected(mirror.error());
    keeper->mirror_ = std::move(*mirror);
    return keeper;
}

shard_config_keeper::~shard_config_keeper() { mirror_.reset(); }

void shard_config_keeper::refuse(const std::string& key, failure why) const {
    if (options_.refused) options_.refused(key, why);
}

// With `telling_` held.
void shard_config_keeper::take(const std::string& key, const std::optional<std::string>& value,
                               std::uint64_t revision) {
    if (key == count_key) {
        if (value && options_.shards > 0 && *value != std::to_string(options_.shards))
            options_.miscounted(another_count(options_.shards, *value));
        return;
    }
    const auto shard = parse_shard_key(key);
    if (!shard) return refuse(key, {errc::invalid_argument, "the key names no shard"});
    if (!value) return refuse(key, {errc::not_found, "the configuration was erased; the last one goes on to hold"});
    auto config = decode_shard_config(*value, revision);
    if (!config) return refuse(key, config.error());
    const auto last = last_told_.find(*shard);
    if (last != last_told_.end() && last->second == *config) return;
    last_told_[*shard] = *config;
    if (told_) told_(*shard, *config);
}

void shard_config_keeper::changed(const std::vector<control_change>& changes) {
    const std::lock_guard guard{telling_};
    if (!told_) return; // whoever is told later is told of all
    for (const control_change& c : changes) take(c.key, c.value, c.revision);
}

// The copy is changed before `changed` is called, so a listing that is taken under the lock is never older than
// what was told; what it has ahead is told once, for `take` knows it then.
void shard_config_keeper::on_config(told_function told) {
    const std::lock_guard guard{telling_};
    told_ = std::move(told);
    last_told_.clear();
    if (!told_) return;
    for (const control_entry& e : mirror_->list("").entries) take(e.key, e.value, e.revision);
}

std::optional<shard_config> shard_config_keeper::config(shard_id shard) const {
    const auto entry = mirror_->get(shard_key(shard));
    if (!entry) return std::nullopt;
    auto config = decode_shard_config(entry->value, entry->revision);
    return config ? std::optional{std::move(*config)} : std::nullopt;
}

std::vector<std::pair<shard_id, shard_config>> shard_config_keeper::configs() const {
    std::vector<std::pair<shard_id, shard_config>> all;
    for (const control_entry& e : mirror_->list("").entries) {
        const auto shard = parse_shard_key(e.key);
        auto config = decode_shard_config(e.value, e.revision);
        if (shard && config) all.emplace_back(*shard, std::move(*config));
    }
    std::ranges::sort(all, {}, [](const auto& each) { return each.first; });
    return all;
}

void shard_config_keeper::propose(shard_id shard, const shard_config& next, answer_function done) {
    // Version 0 would ask that the key is not there, which is `create`'s.
    if (next.version == 0 || shard.value >= limits::shards_max || !validate(next))
        return done(answer::refused, std::nullopt);
    const std::string key = shard_key(shard);
    options_.store->commit({{{key, next.version}}, {{key, encode(next)}}, {}},
                           [next, done = std::move(done)](tl::expected<std::uint64_t, control_refusal> result) {
                               if (result) {
                                   shard_config there = next;
                                   there.version = *result;
                                   return done(answer::accepted, std::move(there));
                               }
                               const errc why = result.error().why.code;
                               if (why == errc::conflict) return done(answer::conflict, met(result.error()));
                               done(why == errc::unknown_outcome ? answer::unknown : answer::refused, std::nullopt);
                           });
}

void shard_config_keeper::create(std::vector<node_id> replicas, std::vector<shard_id> shards,
                                 std::function<void(expected<void>)> done) {
    std::ranges::sort(replicas);
    if (replicas.empty()) return done(fail(errc::invalid_argument, "a shard has one replica at least"));
    for (const shard_id shard : shards)
        if (shard.value >= limits::shards_max)
            return done(
                fail(errc::invalid_argument, "shard " + std::to_string(shard.value) + " is beyond the last"));
    std::make_shared<creation>(*options_.store, options_.shards, std::move(replicas), std::move(shards),
                               std::move(done))
        ->begin();
}

} // namespace coppice
