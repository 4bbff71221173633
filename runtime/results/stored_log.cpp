#include "runtime/results/stored_log.hpp"

#include "actors/jobs/job_keys.hpp"
#include "persistence/record.hpp"
#include "runtime/results/line_json.hpp"
#include "runtime/results/result_name.hpp"
#include "schema/records.capnp.h"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

constexpr std::size_t object_size_max = limits::stored_lines_object_size + line_json_size_max;

expected<std::vector<log_line>> lines_from(std::string_view object, std::uint64_t from) {
    std::vector<log_line> lines;
    while (!object.empty()) {
        const std::size_t end = std::min(object.find('\n'), object.size());
        auto line = log_line_from(object.substr(0, end));
        if (!line) return tl::unexpected(std::move(line.error()));
        object.remove_prefix(std::min(end + 1, object.size()));
        if (line->sequence >= from) lines.push_back(std::move(*line));
    }
    return lines;
}

// Page by page, for as long as the names are the job's.
void drop_after(const std::shared_ptr<result_desk>& desk, const job_id& job, std::string after) {
    const auto objects = desk->objects();
    if (!objects) return;
    objects->list(std::move(after), [desk, job](const expected<object_store::page>& page) {
        if (!page) return;
        std::vector<std::string> names;
        bool all_its_own = page->more;
        for (const auto& each : page->entries) {
            const bool its_own = each.name.starts_with(job_prefix(job));
            if (its_own && read_lines_name(each.name)) names.push_back(each.name);
            all_its_own = all_its_own && its_own;
        }
        desk->drop_named(names);
        if (all_its_own && !page->entries.empty()) drop_after(desk, job, page->entries.back().name);
    });
}

} // namespace

void store_lines(store& data, const std::shared_ptr<result_desk>& desk, const attempt_ref& ref, std::uint64_t below,
                 std::function<void(expected<stored_lines>)> then) {
    std::string object;
    std::uint64_t last = 0;
    {
        const auto tables = data.begin_read();
        const row_key prefix = keys::logs_of(ref.job, ref.attempt);
        record_reader<rec::LogRow> reader;
        for (auto r = tables->seek(table::logs, prefix);
             r && has_prefix(r->key, prefix) && object.size() < limits::stored_lines_object_size;
             r = tables->next(table::logs)) {
            const std::uint64_t sequence = key_reader{r->key.subspan(prefix.view().size())}.u64();
            if (sequence >= below) break;
            const auto row = reader.read(r->value);
            object += to_ndjson({sequence, from_us(row.getAtUs()), static_cast<log_stream>(row.getStream()),
                                 std::string{view(row.getText())}});
            last = sequence;
        }
    }
    if (object.empty()) return then(fail(errc::not_found, "no line is left to store"));
    const stored_lines what{last + 1, object.size()};
    desk->put_named(lines_name(ref, last), std::move(object),
                    [what, then = std::move(then)](expected<void> done) { then(done.map([&] { return what; })); });
}

void fetch_lines(const std::shared_ptr<result_desk>& desk, const attempt_ref& ref, std::uint64_t from,
                 std::function<void(expected<std::vector<log_line>>)> then) {
    const auto objects = desk->objects();
    if (!objects) return then(fail(errc::unavailable, "the node stops"));
    std::string after = from == 0 ? lines_prefix(ref) : lines_name(ref, from - 1);
    objects->list(std::move(after), [desk, ref, from, then = std::move(then)](expected<object_store::page> page) {
        if (!page) return then(tl::unexpected(std::move(page.error())));
        if (page->entries.empty() || !page->entries.front().name.starts_with(lines_prefix(ref)))
            return then(std::vector<log_line>{});
        desk->get_named(page->entries.front().name, object_size_max,
                        [from, then](const expected<std::string>& object) {
                            if (object) return then(lines_from(*object, from));
                            then(tl::unexpected(object.error()));
                        });
    });
}

void drop_lines(const std::shared_ptr<result_desk>& desk, std::span<const job_id> jobs) {
    for (const job_id& job : jobs) drop_after(desk, job, job_prefix(job));
}

} // namespace coppice
