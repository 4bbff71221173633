// Unique jobs: of a type that declares `unique`, a job like one that is there is not made; the one that is there
// answers. The table `unique` names who answers. Who may is looked up in that job's row at each question, so a
// changed declaration acts at once, and a row that is left over says nothing wrong.
#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

bool is_unique(rec::JobRow::Reader row) { return row.getUniqueHigh() != 0 || row.getUniqueLow() != 0; }

row_key likeness_key(const job_id& id, type_id type, rec::JobRow::Reader row) {
    return keys::unique(id.shard(), id.tenant(), type, row.getUniqueHigh(), row.getUniqueLow());
}

} // namespace

// Who answers for what is submitted.
std::optional<job_id> shard_machine::like_job(cmd::Submit::Reader s, const type_entry& y) {
    return like_job(read_id(s.getJob()).tenant(), y, s.getUniqueHigh(), s.getUniqueLow());
}

std::optional<job_id> shard_machine::like_job(tenant_id tenant, const type_entry& y, std::uint64_t high,
                                              std::uint64_t low) {
    if (!y.spec.unique || (high == 0 && low == 0)) return std::nullopt;
    const auto known = t_->get(table::unique, keys::unique(shard_, tenant, y.id, high, low));
    if (!known) return std::nullopt;
    const job_id like = read_id(read_unique_.read(*known).getJob());
    const auto stored = t_->get(table::jobs, keys::job(like));
    if (!stored) return std::nullopt;
    const auto row = read_job_.read(*stored);
    const milliseconds period = y.spec.unique->period;
    const bool in_time = period.count() == 0 || from_us(row.getSubmittedUs()) + period > now_;
    return in_time && y.answers_for_likes_in(row.getState()) ? std::optional{like} : std::nullopt;
}

// Of a new job: from now on it answers.
void shard_machine::remember_likeness(cell& c) {
    if (!is_unique(c.row.asReader())) return;
    answer_for_likes(c);
    if (!c.type->spec.unique || c.type->spec.unique->period.count() == 0) return;
    t_->put(table::timers, keys::timer(now_ + c.type->spec.unique->period, keys::timer_kind::forget_unique, c.id),
            {});
}

void shard_machine::answer_for_likes(cell& c) {
    const auto row = c.row.asReader();
    if (!is_unique(row)) return;
    write_id(c.id, unique_row_.init().initJob());
    unique_row_.put(*t_, table::unique, likeness_key(c.id, c.type->id, row));
}

void shard_machine::forget_likeness(const job_id& id, type_id type, rec::JobRow::Reader row) {
    if (!is_unique(row)) return;
    const row_key at = likeness_key(id, type, row);
    const auto known = t_->get(table::unique, at);
    if (known && read_id(read_unique_.read(*known).getJob()) == id) t_->erase(table::unique, at);
}

void shard_machine::fire_forget_unique(const job_id& id) {
    const auto stored = t_->get(table::jobs, keys::job(id));
    if (!stored) return;
    const auto row = read_job_.read(*stored);
    forget_likeness(id, type_id{row.getType()}, row);
}

} // namespace coppice
