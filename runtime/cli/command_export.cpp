// coppice export COLLECTION: everything of it as NDJSON or CSV, page by page.
//
// A page is one read of the node, so nothing is held there between two of them: what changes meanwhile is seen or
// not, page by page. Into a file: written beside it, and renamed when all is there. As a job it leaves a checkpoint
// with each page, how many bytes of the file are whole and where to go on; an attempt that follows cuts the file
// there.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <sstream>
#include <system_error>

#include "persistence/descriptor.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/cli/declared_views.hpp"
#include "runtime/cli/exported.hpp"
#include "runtime/cli/job_selection.hpp"
#include "runtime/cli/own_job.hpp"
#include "runtime/cli/progress_bar.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "runtime/executors/unique_fd.hpp"
#include "schema/base64url.hpp"

namespace coppice::cli {
namespace {

struct export_flags {
    connection_flags connection;
    std::string collection;
    std::string format = "ndjson";
    std::string to; // empty: stdout
    filter_flags filter;
};

// Where rows go: stdout, or a file that is there under its name only when it is whole.
class destination {
  public:
    destination(console& con, std::string path) : con_(con), path_(std::move(path)), part_(path_ + ".part") {}

    bool is_file() const { return !path_.empty(); }
    // `keep`: so many bytes of what an attempt before left are whole. False: there are not so many any more.
    expected<bool> open(std::uint64_t keep) {
        if (!is_file()) return true;
        file_ = executors::unique_fd{::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
        struct stat about {};
        if (!file_ || ::fstat(file_.get(), &about) != 0) return trouble("open", part_);
        const bool has_them = static_cast<std::uint64_t>(about.st_size) >= keep;
        size_ = has_them ? keep : 0;
        if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0 ||
            ::lseek(file_.get(), static_cast<off_t>(size_), SEEK_SET) < 0)
            return trouble("cut", part_);
        return has_them;
    }
    expected<void> write(std::string_view text) {
        if (!is_file()) {
            con_.print(con_.out_is_terminal() ? printable_lines(text) : std::string{text});
            con_.flush();
            return {};
        }
        size_ += text.size();
        if (!write_whole(file_.get(), text)) return trouble("write", part_);
        return {};
    }
    expected<void> close() {
        if (!is_file()) return {};
        if (::fsync(file_.get()) != 0) return trouble("sync", part_);
        if (std::rename(part_.c_str(), path_.c_str()) != 0) return trouble("rename", part_);
        return {};
    }
    std::uint64_t size() const { return size_; }

  private:
    static tl::unexpected<failure> trouble(const std::string& what, const std::string& path) {
        return fail(errc::invalid_argument,
                    "cannot " + what + " " + path + ": " + std::generic_category().message(errno));
    }

    console& con_;
    std::string path_, part_;
    executors::unique_fd file_;
    std::uint64_t size_ = 0;
};

// "<bytes> <rows> <total> <cursor>", as a job leaves it.
struct place {
    std::uint64_t bytes = 0, rows = 0;
    std::uint64_t total = 0; // rows that are expected; 0: not known
    std::string cursor;
};

std::string text_of(const place& at) {
    return std::to_string(at.bytes) + " " + std::to_string(at.rows) + " " + std::to_string(at.total) + " " +
           base64url_encode(at.cursor);
}

std::optional<place> read_place(const std::string& text) {
    std::istringstream from{text};
    place at;
    std::string cursor;
    if (!(from >> at.bytes >> at.rows >> at.total >> cursor)) return std::nullopt;
    const auto decoded = base64url_decode(cursor);
    if (!decoded || decoded->empty()) return std::nullopt;
    at.cursor = *decoded;
    return at;
}

// Its sequences, with commas between them.
std::string text_of(const client::feed_place& at) {
    std::string text;
    for (const std::uint64_t each : at.sequences) text += (text.empty() ? "" : ",") + std::to_string(each);
    return text;
}

client::feed_place place_from(const std::string& text) {
    client::feed_place at;
    std::istringstream from{text};
    for (std::uint64_t each = 0; from >> each; from.ignore()) at.sequences.push_back(each);
    return at;
}

class export_run {
  public:
    export_run(invocation& call, const export_flags& flags)
        : call_(call), flags_(flags), job_(call.con), out_(call.con, flags.to),
          node_(connect_options(flags.connection, patience::kept)), bar_(call.con, "exported", wall_clock_now()) {}

    exit_status jobs(const client::job_filter& filter) {
        if (auto ready = begin(); !ready) return call_.refuse(ready.error());
        do {
            const auto page =
                node_.list(filter, limits::page_size_max, at_.cursor, client::read_mode::linearizable, true);
            if (!page) return call_.refuse(page.error());
            if (at_.cursor.empty()) at_.total = page->total;
            at_.cursor = page->cursor;
            if (auto written = write(page->jobs); !written) return call_.refuse(written.error());
        } while (!at_.cursor.empty() && !call_.con.out_closed());
        return end();
    }

    // From the oldest that are kept to those of this moment.
    exit_status events() {
        const auto newest = node_.feed_position();
        if (!newest) return call_.refuse(newest.error());
        auto from = node_.feed_beginning();
        if (!from) return call_.refuse(from.error());
        if (auto ready = begin(); !ready) return call_.refuse(ready.error());
        while (!call_.con.out_closed()) {
            const auto page = node_.follow(*from, limits::page_size_max, milliseconds{0});
            if (!page) return call_.refuse(page.error());
            if (auto written = write(page->events); !written) return call_.refuse(written.error());
            if (page->last == *from || !page->last.is_behind(*newest)) break;
            *from = page->last;
        }
        return end();
    }

    // From the first to that of this moment. It is never pruned, so an attempt that follows goes on by its
    // sequences.
    exit_status evidence() {
        if (auto ready = begin(); !ready) return call_.refuse(ready.error());
        client::feed_place from = place_from(at_.cursor);
        std::optional<client::feed_place> newest;
        while (!call_.con.out_closed()) {
            const auto page = node_.read_evidence(from, limits::page_size_max);
            if (!page) return call_.refuse(page.error());
            if (!newest) newest = page->newest;
            from = page->last;
            at_.cursor = from.is_behind(*newest) ? text_of(from) : "";
            if (auto written = write(page->rows); !written) return call_.refuse(written.error());
            if (at_.cursor.empty()) break;
        }
        return end();
    }

    exit_status declared(declared_kind kind) {
        const auto views = node_.get_declared(std::string{to_string(kind)});
        if (!views) return call_.refuse(views.error());
        if (auto ready = begin(); !ready) return call_.refuse(ready.error());
        at_.total = views->size();
        if (auto written = write(*views); !written) return call_.refuse(written.error());
        return end();
    }

  private:
    expected<void> begin() {
        if (const auto left = read_place(job_.checkpoint()); left && out_.is_file()) at_ = *left;
        const auto goes_on = out_.open(at_.bytes);
        if (!goes_on) return tl::unexpected(goes_on.error());
        if (!*goes_on) at_ = {};
        return {};
    }

    template <class Rows>
    expected<void> write(const Rows& rows) {
        std::string text;
        for (const auto& each : rows) {
            const export_row row = row_of(each);
            if (flags_.format == "csv") {
                if (at_.rows == 0) text += csv_titles(row);
                text += as_csv(row);
            } else {
                text += as_ndjson(row);
            }
            ++at_.rows;
        }
        if (auto written = out_.write(text); !written) return written;
        at_.bytes = out_.size();
        const instant now = wall_clock_now();
        const double done = at_.total > 0 ? static_cast<double>(at_.rows) / static_cast<double>(at_.total) : 0;
        job_.progress(std::min(done, 1.0), std::to_string(at_.rows) + " rows", now);
        if (out_.is_file() && !at_.cursor.empty()) job_.leave(text_of(at_));
        if (!job_.is_one() && out_.is_file()) bar_.update(counts(), now);
        return {};
    }

    progress_counts counts() const {
        return {at_.rows, 0, at_.total > 0 ? std::optional{std::max(at_.total, at_.rows)} : std::nullopt};
    }

    exit_status end() {
        if (auto closed = out_.close(); !closed) return call_.refuse(closed.error());
        if (!job_.is_one() && out_.is_file()) bar_.finish(wall_clock_now());
        if (out_.is_file())
            call_.con.print(json_object{}
                                .text("collection", flags_.collection)
                                .text("file", flags_.to)
                                .number("rows", at_.rows)
                                .number("bytes", at_.bytes)
                                .done() +
                            "\n");
        return exit_status::ok;
    }

    invocation& call_;
    const export_flags& flags_;
    own_job job_;
    destination out_;
    client::blocking_client node_;
    progress_bar bar_;
    place at_;
};

exit_status run_export(invocation& call, const export_flags& flags) {
    const bool is_jobs = flags.collection == "jobs";
    if (!is_jobs && flags.filter.any())
        return call.misused("only jobs are chosen by flags; " + flags.collection + " are exported whole");
    const auto filter = make_filter(call, flags.filter, wall_clock_now());
    if (!filter) return exit_status::usage;
    if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    export_run run(call, flags);
    if (is_jobs) return run.jobs(*filter);
    if (flags.collection == "events") return run.events();
    if (flags.collection == "evidence") return run.evidence();
    return run.declared(kind_of(flags.collection).value());
}

} // namespace

void add_export_command(const command_registry& commands) {
    auto flags = std::make_shared<export_flags>();
    auto* app = commands.root.add_subcommand(
        "export",
        "Write jobs, events, evidence or what is declared as NDJSON or CSV, page by page, to stdout or a file");
    app->add_option("COLLECTION", flags->collection, "jobs, events, evidence, tenants, jobtypes or schedules")
        ->required()
        ->check(CLI::IsMember({"jobs", "events", "evidence", "tenants", "jobtypes", "schedules"}));
    add_choice(*app, "--format", flags->format, {"ndjson", "csv"}, "ndjson (default) or csv, a row a line");
    app->add_option("--to", flags->to, "A file, which is there when it is whole (default: stdout)");
    add_filter_flags(*app, flags->filter);
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice export jobs --tenant acme --since 7d --to acme.ndjson",
                 "coppice export jobs --status failed --format csv > failed.csv",
                 "coppice export evidence | jq 'select(.kind == \"job_deleted\")'",
                 "coppice export tenants | coppice import tenants -f - --server other:7400"});
    commands.on_chosen(*app, "export", [flags](invocation& call) { return run_export(call, *flags); });
}

} // namespace coppice::cli
