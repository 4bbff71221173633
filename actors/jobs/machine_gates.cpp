// What a start must pass beside a free slot and its turn: the tenant's rate, and the bounds of its payload's key.
#include "actors/governance/payload_key.hpp"
#include "actors/jobs/shard_machine.hpp"

namespace coppice {
namespace {

// The value of a queue's row: the job's key, and the version of the type that it is of.
struct queued_key {
    key_lanes::key key = 0;
    std::uint32_t version = 0;
};

std::optional<queued_key> read_queued_key(bytes_view value) {
    key_reader k{value};
    queued_key read{k.u64(), k.u32()};
    return k.ok() && !value.empty() ? std::optional{read} : std::nullopt;
}

} // namespace

// The row of the queue that a job of this type has; see table::queue.
row_key shard_machine::queue_value(const cell& c) {
    row_key value;
    const auto row = c.row.asReader();
    if (c.type->keyed()) value.u64(row.getLimitKey()).u32(row.getTypeVersion());
    return value;
}

// The edge makes the key from the declaration that admits the job. One that was admitted when concurrency went by
// another field has its key from its payload.
key_lanes::key shard_machine::key_of(const job_id& id, const type_entry& y, rec::JobRow::Reader row) {
    if (!y.keyed()) return 0;
    if (row.getTypeVersion() >= y.key_since) return row.getLimitKey();
    return stored_payload_key(bytes_of(table::payloads, id, row.getPayloadApart(), row.getPayload()),
                              y.spec.concurrency.by);
}

key_lanes& shard_machine::lanes_of(tenant_id t, const type_entry& y) {
    return gates_.lanes(t, y.id, y.spec.concurrency, now_);
}

key_lanes::place shard_machine::place_of(const cell& c) {
    const auto row = c.row.asReader();
    return {keys::rank(from_us(row.getReadyUs()), row.getPriority()), c.id};
}

// Counts the running jobs of each key, of all types or of one, whose lanes must be new. What waits is read by the
// plan.
void shard_machine::count_keys(read_tables& from, std::optional<type_id> only) {
    const row_key prefix = keys::shard(shard_);
    for (auto r = from.seek(table::running, prefix); r && has_prefix(r->key, prefix);
         r = from.next(table::running)) {
        key_reader k{r->key.subspan(2)};
        const tenant_id t{k.u32()};
        const auto row = read_running_.read(r->value);
        const type_entry* y = book_.type(type_id{row.getType()});
        if (y == nullptr || !y->keyed() || y->id != only.value_or(y->id)) continue;
        lanes_of(t, *y).runs(row.getLimitKey());
        note_home(t, *y, row.getLimitKey(), worker_id{row.getWorker()});
    }
}

// Concurrency of this type goes by another field from now on: what runs has other keys.
void shard_machine::key_running_anew(const type_entry& y) {
    std::vector<std::pair<job_id, key_lanes::key>> found;
    const row_key prefix = keys::shard(shard_);
    for (auto r = t_->seek(table::running, prefix); r && has_prefix(r->key, prefix); r = t_->next(table::running)) {
        key_reader k{r->key.subspan(6)};
        const job_id id = k.id();
        if (read_running_.read(r->value).getType() != y.id.value) continue;
        if (const auto stored = t_->get(table::jobs, keys::job(id)))
            found.emplace_back(id, key_of(id, y, read_job_.read(*stored)));
    }
    for (const auto& [id, key] : found) {
        const auto stored = t_->get(table::running, keys::job(id));
        running_row_.set_from(read_running_.read(*stored));
        running_row_.get().setLimitKey(key);
        running_row_.put(*t_, table::running, keys::job(id));
    }
    gates_.forget_lanes(y.id);
    count_keys(*t_, y.id);
}

void shard_machine::note_home(tenant_id t, const type_entry& y, key_lanes::key key, worker_id worker) {
    if (y.spec.workers.sticky != stickiness::none) homes_.started(t, y.id, key, worker);
}

// Whether its key may start nowhere but at a worker that has no slot for it; then it is set aside.
bool shard_machine::waits_for_home(const key_lanes::waiting& job, const tenant_entry& t, const type_entry& y) {
    if (y.spec.workers.sticky != stickiness::hard) return false;
    key_lanes& lanes = lanes_of(t.id, y);
    const worker_id home = homes_.find(t.id, y.id, job.of);
    const auto room = pool_.room_at(home, {y.id, t.id, y.spec.slots});
    if (room == slot_pool::room::never) lanes.wait_for_any(job.of, now_);
    if (room != slot_pool::room::later) return false;
    lanes.wait_for(job, home, now_);
    gates_.wait_for(home, t.id, y.id);
    return true;
}

// Whether the tenant's rate lets it start one more now.
bool shard_machine::rate_allows(const tenant_entry& t) {
    const instant free_at = gates_.free_at(t.id, t.spec.rate);
    if (free_at <= now_) return true;
    gates_.held_until(free_at);
    return false;
}

void shard_machine::gates_started(cell& c, key_lanes::key key) {
    gates_.started(c.tenant->id, c.tenant->spec.rate, now_);
    if (c.type->keyed()) lanes_of(c.tenant->id, *c.type).started(key, now_);
}

// The tenant's first waiting job of a type with keys whose key has room.
std::optional<key_lanes::place> shard_machine::first_with_room(const tenant_entry& t, const type_entry& y) {
    key_lanes& lanes = lanes_of(t.id, y);
    const row_key prefix = keys::queue_of(shard_, t.id, y.id);
    for (;;) {
        const auto open = lanes.first_open(now_);
        const auto next = next_unread(prefix, lanes.read_to());
        if (!next && !open) {
            if (const auto then = lanes.opens_at()) gates_.held_until(*then);
            return std::nullopt;
        }
        const bool is_unread = next && (!open || next->at < open->at);
        const key_lanes::waiting job = is_unread ? key_lanes::waiting{next->at, key_of_queued(*next, y)} : *open;
        if (looks_left_ == 0) {
            out_->starts_left = true; // go on reading in the next batch
            return std::nullopt;
        }
        const bool may_start = !is_unread || lanes.may_start(job.of, now_);
        if (may_start && !waits_for_home(job, t, y)) return job.at;
        --looks_left_;
        if (!may_start) lanes.set_aside(job, now_);
    }
}

std::optional<shard_machine::queued> shard_machine::next_unread(const row_key& prefix,
                                                                const key_lanes::place& read_to) {
    row_key from = prefix;
    from.u64(read_to.rank).id(read_to.id);
    for (auto r = t_->seek(table::queue, from); r && has_prefix(r->key, prefix); r = t_->next(table::queue)) {
        key_reader k{r->key.subspan(prefix.view().size())};
        const std::uint64_t rank = k.u64();
        const key_lanes::place at{rank, k.id()};
        if (at <= read_to) continue;
        const auto key = read_queued_key(r->value);
        return queued{at, key ? key->key : 0, key ? key->version : 0};
    }
    return std::nullopt;
}

key_lanes::key shard_machine::key_of_queued(const queued& q, const type_entry& y) {
    if (q.version >= y.key_since) return q.key;
    const auto stored = t_->get(table::jobs, keys::job(q.at.id));
    return stored ? key_of(q.at.id, y, read_job_.read(*stored)) : 0;
}

} // namespace coppice
