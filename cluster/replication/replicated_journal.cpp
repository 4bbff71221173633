// What comes in goes to the machines; what they ask for goes to log, network and control store.
#include "cluster/replication/replicated_journal.hpp"

#include <algorithm>
#include <stdexcept>

#include "actors/journal/batch_rules.hpp"
#include "cluster/replication/replica_wire.hpp"
#include "persistence/keys.hpp"

namespace coppice {
namespace {

constexpr std::size_t digests_kept = 256;
constexpr std::uint32_t not_primary_retry_ms = 100;
constexpr int rounds_max = 10'000; // of one pump: machines that never come to rest are a bug

row_key place_of(shard_id shard) { return row_key{}.u16(shard.value); }

} // namespace

replica_place read_place(read_tables& from, shard_id shard) {
    const auto stored = from.get(table::replicas, place_of(shard));
    if (!stored) return {};
    record_reader<rec::ReplicaRow> reader;
    const auto row = reader.read(*stored);
    return {{row.getIndex(), row.getEpoch()},
            row.getDigest(),
            from_us(row.getTimeUs()),
            row.getInstalling(),
            true,
            row.getChain(),
            row.getLayout()};
}

void write_place(tables& to, shard_id shard, const replica_place& place) {
    record_writer<rec::ReplicaRow> writer;
    auto row = writer.init();
    row.setIndex(place.at.index);
    row.setEpoch(place.at.epoch);
    row.setDigest(place.digest);
    row.setTimeUs(to_us(place.time));
    row.setInstalling(place.installing);
    row.setChain(place.chain);
    row.setLayout(place.layout);
    writer.put(to, table::replicas, place_of(shard));
}

replicated_journal::replicated_journal(replicated_journal_options options)
    : options_(std::move(options)), log_(*options_.log) {
    for (const shard_id shard : options_.shards) {
        slots_.try_emplace(shard, shard);
        slots_.at(shard).machine.start_through(options_.valve.get());
        open(slots_.at(shard), false);
    }
}

replica_slot* replicated_journal::slot(shard_id shard) {
    const auto found = slots_.find(shard);
    return found == slots_.end() ? nullptr : &found->second;
}

// From the disk alone: at the start, and after a write failed. `held_back`: it does not lead again at once.
void replicated_journal::open(replica_slot& s, bool held_back) {
    replica_place place = read_place(*options_.data->begin_read(), s.id);
    s.installing = s.erase_wanted = false;
    s.slice.reset();
    s.slices_taken = 0;
    s.slices_of = {};
    if (place.installing) { // half a snapshot is no state to go on from
        if (const auto erased = erase_rows(s.id); !erased) await_erasure(s, erased.error());
        log_.clear(s.id);
        place = {};
    }
    s.place = own_chain(place);
    s.digests.clear();
    reload(s);
    const log_positions log = log_.load(s.id, place.at);
    replica_machine::start from{
        s.id, options_.self, options_.timing, log, place.at.index, place.found || log.last().index > 0, held_back};
    s.replica = std::make_unique<replica_machine>(from, now());
    s.unlogged.clear();
    s.unlogged_bytes = 0;
    for (const node_id node : linked_) s.replica->link_up(node, now());
    if (s.config) s.replica->configured(*s.config, now());
}

// ---- what happens
// ------------------------------------------------------------------------------------------------------

void replicated_journal::propose(const proposal_ptr& p) {
    auto* s = slot(p->shard());
    if (s == nullptr || !s->replica->leads())
        return p->refuse({errc::not_primary,
                          "shard " + std::to_string(p->shard().value) + " is led by another node",
                          not_primary_retry_ms});
    // By whoever leads it a moment later it may be taken: the router tries again.
    if (p->grows() && !s->replica->enough_in_sync())
        return p->refuse({errc::not_primary,
                          "shard " + std::to_string(s->id.value) + " has too few replicas in sync to take new work",
                          not_primary_retry_ms});
    s->waiting.push_back(p);
}

void replicated_journal::receive(node_id from, bytes_view frame) {
    auto message = replica_message_from_wire(frame);
    if (!message) {
        if (options_.on_fault)
            options_.on_fault("node " + std::to_string(from.value) +
                              " sent what no replica sends: " + to_string(message.error()));
        return;
    }
    auto* s = slot(message->shard);
    if (s == nullptr || s->diverged) return;
    if (const auto* slice = std::get_if<slice_message>(&message->what)) {
        if (message->epoch == s->replica->epoch() && from == s->replica->leader()) on_slice(*s, from, *slice);
        return;
    }
    if (const auto* answer = std::get_if<slice_ack_message>(&message->what)) {
        if (s->replica->leads() && message->epoch == s->replica->epoch()) on_slice_ack(*s, from, *answer);
        return;
    }
    const auto* prepare = std::get_if<prepare_message>(&message->what);
    if (s->installing && prepare != nullptr && !prepare->entries.empty()) {
        s->erase_wanted = true; // the primary, or another one, goes by the log now; it says so again
        return;
    }
    s->replica->receive(from, *message, now());
    if (prepare != nullptr && message->epoch == s->replica->epoch()) compare_digest(*s, prepare->tables);
}

void replicated_journal::configured(shard_id shard, const shard_config& config) {
    auto* s = slot(shard);
    if (s == nullptr) return;
    if (!s->config || s->config->version < config.version) s->config = config;
    s->replica->configured(config, now());
}

void replicated_journal::config_answered(shard_id shard, replica_machine::answer how, std::uint64_t asked,
                                         const std::optional<shard_config>& now_there) {
    auto* s = slot(shard);
    if (s == nullptr) return;
    if (now_there && (!s->config || s->config->version < now_there->version)) s->config = now_there;
    s->replica->config_answered(how, asked, now_there, now());
}

void replicated_journal::link_up(node_id node) {
    linked_.insert(node);
    for (auto& [id, s] : slots_) s.replica->link_up(node, now());
}

void replicated_journal::link_down(node_id node) {
    linked_.erase(node);
    for (auto& [id, s] : slots_) s.replica->link_down(node, now());
}

void replicated_journal::tick() {
    for (auto& [id, s] : slots_) {
        if (s.diverged) continue;
        s.replica->tick(now());
        tick_snapshots(s);
    }
}

bool replicated_journal::hand_over(shard_id shard, node_id to) {
    auto* s = slot(shard);
    return s != nullptr && !s->under_way && s->replica->hand_over(to, now());
}

void replicated_journal::want_hand_over(shard_id shard, node_id to) {
    auto* s = slot(shard);
    if (s == nullptr || s->hand_over_to || s->replica->role() != replica_role::serving) return;
    for (const auto& follower : s->replica->followers())
        if (follower.node == to && follower.in_sync && follower.linked) {
            s->hand_over_to = to;
            s->hand_over_until = now() + limits::hand_over_pause;
        }
}

bool replicated_journal::try_hand_overs() {
    bool ended = false;
    for (auto& [id, s] : slots_) {
        if (!s.hand_over_to) continue;
        const bool over = s.replica->role() != replica_role::serving || now() >= s.hand_over_until;
        if (!over && !hand_over(id, *s.hand_over_to)) continue;
        s.hand_over_to.reset();
        ended = true;
    }
    return ended;
}

void replicated_journal::want_replicas(shard_id shard, std::vector<node_id> replicas) {
    if (auto* s = slot(shard)) s->replica->want_replicas(std::move(replicas));
}

bool replicated_journal::may_read(shard_id shard) const {
    const auto found = slots_.find(shard);
    return found != slots_.end() && found->second.replica->may_read(now());
}

instant replicated_journal::next_wake() const {
    const instant time = now();
    instant wake = time + options_.timing.beat / 2;
    for (const auto& [id, s] : slots_) {
        if (s.apply_due != never) wake = std::min(wake, s.apply_due);
        if (s.replica->role() == replica_role::serving && s.due)
            wake = std::min(wake, time + std::max(microseconds{0}, *s.due - options_.clock()));
    }
    return std::max(wake, time);
}

// ---- what is asked for
// --------------------------------------------------------------------------------------------------

void replicated_journal::pump() {
    for (int round = 0;; ++round) {
        if (round > rounds_max) throw std::logic_error("the replicas of this node do not come to rest");
        bool moved = drain_all();
        moved |= flush_log();
        moved |= open_ ? go_on_with_open() : begin_transaction();
        moved = moved || try_hand_overs();
        if (moved) continue;
        // Nothing new took the news of a commit along.
        for (auto& [id, s] : slots_)
            if (std::exchange(s.commit_untold, false)) {
                s.replica->tell_commit();
                drain(s);
            }
        return;
    }
}

bool replicated_journal::drain_all() {
    bool moved = false;
    for (auto& [id, s] : slots_) moved |= drain(s);
    return moved;
}

bool replicated_journal::drain(replica_slot& s) {
    replica_effects e = s.replica->take_effects();
    if (e.role_changed) on_role_change(s);
    if (e.cannot_follow)
        take_out(s, "entry " + std::to_string(*e.cannot_follow) + " is another than the primary's");
    if (e.truncate_after) {
        log_.truncate_after(s.id, *e.truncate_after);
        log_changes_.push_back({&s, 0});
    }
    for (const log_entry& entry : e.append) log_.append(s.id, entry);
    if (!e.append.empty()) log_changes_.push_back({&s, e.append.back().at.index});
    if (e.mark) keep_unlogged(s, make_log_entry(*e.mark, s.place.time, {}));
    for (const auto& out : e.sends) send(out.to, out.message);
    for (const auto& out : e.streams) stream(s, out.to, out.from);
    for (const node_id to : e.snapshots) begin_snapshot(s, to);
    if (e.propose) options_.propose_config(s.id, *e.propose);
    if (s.apply_due == never && !s.replica->leads() && s.replica->may_apply() > s.place.at.index)
        s.apply_due = now() + limits::replica_apply_pause;
    return e.role_changed || e.truncate_after || !e.append.empty() || e.mark || !e.sends.empty() ||
           !e.streams.empty() || !e.snapshots.empty() || e.propose;
}

void replicated_journal::on_role_change(replica_slot& s) {
    if (!s.replica->leads()) {
        if (s.next && open_) drop_transaction();
        if (s.under_way)
            for (const proposal_ptr& p : s.under_way->proposals)
                p->refuse({errc::unknown_outcome, "the shard's primary changed before it was committed", 0});
        s.under_way.reset();
        std::erase_if(s.unlogged, [&](const log_entry& e) { return e.at.index > s.place.at.index; });
        write_unlogged(s); // what others send now goes to the log behind it
        s.unlogged_bytes = 0;
        refuse_waiting(s, {errc::not_primary, "the shard's primary changed", not_primary_retry_ms});
        s.snapshots.clear();
    }
    s.plan_wanted = true;
    if (options_.on_role) options_.on_role(s.id, *s.replica);
}

void replicated_journal::refuse_waiting(replica_slot& s, const failure& why) {
    for (const proposal_ptr& p : std::exchange(s.waiting, {})) p->refuse(why);
}

// From the log, and after it what was made here and is not in the log yet.
std::vector<log_entry> replicated_journal::entries_from(const replica_slot& s, std::uint64_t from,
                                                        std::size_t entries_max) {
    std::vector<log_entry> found;
    std::size_t total = 0;
    const bool in_memory = !s.unlogged.empty() && s.unlogged.front().at.index <= from;
    if (!in_memory) found = log_.read(s.id, from, entries_max, limits::replica_bytes_per_message_max);
    for (const log_entry& e : found) total += e.body->size();
    for (const log_entry& e : s.unlogged) {
        if (e.at.index != from + found.size()) continue;
        if (found.size() >= entries_max) break;
        if (!found.empty() && total + e.body->size() > limits::replica_bytes_per_message_max) break;
        total += e.body->size();
        found.push_back(e);
    }
    // What lies in the log may be older than what this replica follows now: only what its positions say is meant.
    std::size_t sound = 0;
    while (sound < found.size() && s.replica->log().epoch_at(found[sound].at.index) == found[sound].at.epoch)
        ++sound;
    found.resize(sound);
    return found;
}

void replicated_journal::stream(replica_slot& s, node_id to, std::uint64_t from) {
    const auto before = s.replica->log().epoch_at(from - 1);
    auto entries =
        before ? entries_from(s, from, limits::replica_entries_per_message_max) : std::vector<log_entry>{};
    if (entries.empty()) return s.replica->cannot_stream(to);
    const std::uint64_t last = entries.back().at.index;
    s.commit_untold = false;
    prepare_message m{{from - 1, *before}, std::move(entries), s.place.at.index, now(), 0, 0};
    if (send(to, {s.id, s.replica->epoch(), std::move(m)})) s.replica->streamed(to, last);
}

bool replicated_journal::send(node_id to, const replica_message& message) {
    using channel = replicated_journal_options::channel;
    const bool bulk = std::holds_alternative<slice_message>(message.what);
    return options_.send(to, bulk ? channel::bulk : channel::control, to_wire(message));
}

// ---- the log
// --------------------------------------------------------------------------------------------------------

void replicated_journal::keep_unlogged(replica_slot& s, log_entry entry) {
    if (s.unlogged.empty()) s.unlogged_since = now();
    s.unlogged_bytes += entry.body->size();
    s.unlogged.push_back(std::move(entry));
}

// What this node made and committed itself is on disk in the tables; in the log it is for those that catch up.
void replicated_journal::write_unlogged(replica_slot& s) {
    while (!s.unlogged.empty() && s.unlogged.front().at.index <= s.place.at.index) {
        log_.append(s.id, s.unlogged.front());
        s.unlogged_bytes -= s.unlogged.front().body->size();
        s.unlogged.pop_front();
    }
    s.unlogged_since = now();
    if (s.place.at.index > limits::replica_log_kept)
        log_.trim_before(s.id, s.place.at.index - limits::replica_log_kept);
}

bool replicated_journal::flush_log() {
    for (auto& [id, s] : slots_) {
        const bool due = !s.unlogged.empty() && s.unlogged.front().at.index <= s.place.at.index &&
                         (s.unlogged_bytes > limits::replica_unlogged_bytes_max ||
                          now() - s.unlogged_since > limits::replica_unlogged_age_max);
        if (due) write_unlogged(s);
    }
    if (!log_.changed()) return false;
    const auto done = log_.flush();
    const auto changes = std::exchange(log_changes_, {});
    if (done) {
        for (const log_mark& mark : changes)
            if (mark.index > 0) mark.of->replica->stored(mark.index, now());
        return true;
    }
    if (open_) drop_transaction();
    for (auto& [id, s] : slots_) { // whose positions are other than the disk's
        if (std::ranges::find(changes, &s, &log_mark::of) == changes.end()) continue;
        fault(s, "its log cannot be written: " + to_string(done.error()));
        open(s, true);
    }
    return true;
}

// ---- what an operator must know
// ----------------------------------------------------------------------------------------

void replicated_journal::fault(const replica_slot& s, const std::string& what) const {
    if (options_.on_fault) options_.on_fault("shard " + std::to_string(s.id.value) + ": " + what);
}

void replicated_journal::take_out(replica_slot& s, const std::string& why) {
    s.diverged = true;
    fault(s, "this replica is not what the primary has, and takes itself out: " + why);
}

// What was written with another layout is another chain from here on: no other replica has the same.
replica_place replicated_journal::own_chain(replica_place place) const {
    if (place.found && place.layout != options_.layout) {
        const std::uint64_t mixed = (options_.layout ^ (std::uint64_t{options_.self.value} << 40) ^ place.at.index);
        place.chain = mixed * 0x9e3779b97f4a7c15ULL | 1;
    }
    place.layout = options_.layout;
    return place;
}

// Digests are sums over entries, so that a replica of another chain comes to the primary's by the difference that
// it finds: what it wrote before is then believed to be the primary's, for it cannot be compared any more.
void replicated_journal::compare_digest(replica_slot& s, const tables_digest& primary_s) {
    if (primary_s.at == 0 || primary_s.layout != options_.layout) return;
    const auto found = std::ranges::find(s.digests, primary_s.at, &std::pair<std::uint64_t, std::uint64_t>::first);
    if (found == s.digests.end()) return;
    if (primary_s.chain == s.place.chain) {
        if (found->second != primary_s.digest)
            take_out(s, "after entry " + std::to_string(primary_s.at) + " its tables differ");
        return;
    }
    const std::uint64_t difference = primary_s.digest - found->second;
    for (auto& [index, digest] : s.digests) digest += difference;
    for (replica_place* place : {&s.place, s.next ? &*s.next : nullptr}) {
        if (place == nullptr) continue;
        place->digest += difference;
        place->chain = primary_s.chain;
    }
}

// The tables have come to `next`.
void replicated_journal::committed(replica_slot& s) {
    s.place = *std::exchange(s.next, std::nullopt);
    s.digests.emplace_back(s.place.at.index, s.place.digest);
    if (s.digests.size() > digests_kept) s.digests.pop_front();
    s.apply_due = never;
    if (s.replica->leads()) {
        s.replica->note_digest({s.place.at.index, s.place.digest, s.place.chain, options_.layout});
        s.replica->committed(s.place.at.index);
        s.commit_untold = true;
    } else {
        s.replica->applied(s.place.at.index);
    }
}

} // namespace coppice
