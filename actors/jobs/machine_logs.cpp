// The lines that an attempt wrote: which are kept, and when they leave the tables for the result store.
#include <algorithm>

#include "actors/jobs/bounded_text.hpp"
#include "actors/jobs/shard_machine.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {

// The newest lines are kept, as a window over their sequence numbers; a gap in those marks what was dropped. Where
// the type bounds their bytes, too, the oldest give way to the newest, of which one is always kept. Where older
// ones may go to the result store, they wait here for that, so many of them.
void shard_machine::write_logs(cell& c, capnp::List<cmd::LogLine>::Reader lines) {
    if (lines.size() == 0) return;
    const row_key prefix = keys::logs_of(c.id, c.row.getAttempt());
    const auto sequence_of = [&](const row& r) { return key_reader{r.key.subspan(prefix.view().size())}.u64(); };
    const logs_spec& bounds = c.type->spec.logs;
    const row_key end = keys::logs_of(c.id, c.row.getAttempt() + 1);
    std::optional<std::uint64_t> seen; // the newest that is there
    if (const auto last = t_->seek_before(table::logs, end); last && has_prefix(last->key, prefix))
        seen = sequence_of(*last);
    std::uint64_t newest = seen.value_or(0);
    for (const auto line : lines) newest = std::max(newest, line.getSequence());
    const bool stores = c.row.getLinesStored() < bounds.stored;
    const std::uint64_t window = bounds.lines + (stores ? limits::lines_to_store_max : 0);
    const auto too_old = [&](std::uint64_t sequence) { return newest - sequence >= window; };
    std::uint64_t bytes = c.row.getLogBytes();
    const auto size_of = [&](const row& r) { return read_log_.read(r.value).getText().size(); };
    for (const auto line : lines) {
        if (too_old(line.getSequence())) continue;
        auto r = log_row_.init();
        r.setAtUs(line.getAtUs());
        r.setStream(line.getStream());
        r.setText(bounded_text(view(line.getText()), limits::log_line_size_max).c_str());
        const auto key = keys::log(c.id, c.row.getAttempt(), line.getSequence());
        if (bounds.bytes > 0) {
            const bool may_be_there = seen && line.getSequence() <= *seen; // reported once more
            if (const auto there = may_be_there ? t_->get(table::logs, key) : std::nullopt)
                bytes -= std::min<std::uint64_t>(bytes, read_log_.read(*there).getText().size());
            bytes += r.getText().size();
            seen = std::max(seen.value_or(0), line.getSequence());
        }
        log_row_.put(*t_, table::logs, key);
    }
    std::optional<std::uint64_t> oldest; // that stays
    for (;;) {
        const auto first = t_->seek(table::logs, prefix);
        if (!first || !has_prefix(first->key, prefix)) break;
        const std::uint64_t sequence = sequence_of(*first);
        const bool too_much = bounds.bytes > 0 && bytes > bounds.bytes && sequence < newest;
        if (!too_old(sequence) && !too_much) {
            oldest = sequence;
            break;
        }
        if (bounds.bytes > 0) bytes -= std::min<std::uint64_t>(bytes, size_of(*first));
        t_->erase(table::logs, keys::log(c.id, c.row.getAttempt(), sequence));
    }
    if (stores && oldest && newest - *oldest >= bounds.lines + limits::lines_to_store_max / 2)
        out_->lines_to_store.push_back({{c.id, c.row.getAttempt()}, newest - bounds.lines + 1});
    c.row.setLogBytes(bounds.bytes > 0 ? bytes : 0);
}

// They are those that were read to be stored, or fewer: what was too old meanwhile is gone already.
void shard_machine::lines_stored(cmd::LinesStored::Reader l, command_result& result) {
    cell c;
    result.job = read_id(l.getJob());
    if (!open(result.job, c)) return set_answer(result, errc::not_found, "no job " + to_string(result.job));
    const row_key prefix = keys::logs_of(c.id, l.getAttempt());
    for (;;) {
        const auto first = t_->seek(table::logs, prefix);
        if (!first || !has_prefix(first->key, prefix)) break;
        const std::uint64_t sequence = key_reader{first->key.subspan(prefix.view().size())}.u64();
        if (sequence >= l.getBelow()) break;
        t_->erase(table::logs, keys::log(c.id, l.getAttempt(), sequence));
    }
    c.row.setHasStoredLines(true);
    if (l.getAttempt() == c.row.getAttempt()) c.row.setLinesStored(c.row.getLinesStored() + l.getBytes());
    save(c);
}

} // namespace coppice
