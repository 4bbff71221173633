// What the store costs: jobs a second through the operations of one job's life, in batches with one commit each,
// over a backlog of waiting jobs; a small commit alone; beginning a read; a record read, written and edited.
//
//   store_bench [backlog] [jobs] [batch] [directory] [tenants]
//   defaults: 1000000 200000 384, a temporary directory, 100
//
// Ends with 0 when every transaction went through. The last line of each measure is "name value unit".
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <random>
#include <string>

#include <capnp/schema.capnp.h>

#include "persistence/keys.hpp"
#include "persistence/lmdb.hpp"
#include "persistence/lmdb_store.hpp"
#include "persistence/memory_store.hpp"
#include "persistence/record.hpp"

namespace coppice {
namespace {

using steady = std::chrono::steady_clock;

double seconds_since(steady::time_point start) {
    return std::chrono::duration<double>(steady::now() - start).count();
}

void report(const char* name, double value, const char* unit) {
    std::printf("%-46s %12.2f %s\n", name, value, unit);
    std::fflush(stdout);
}

constexpr std::array used_tables{table::jobs, table::queue, table::running, table::evidence, table::events};

// A job's life, twelve operations: submitted, taken from the queue's head, started, ended.
class job_lives {
  public:
    explicit job_lives(std::uint32_t tenants) : tenants_(tenants) { value_.fill(std::byte{0x5a}); }

    void submit(tables& t) {
        const std::uint64_t n = submitted_++;
        const std::uint32_t tenant = static_cast<std::uint32_t>(n % tenants_) + 1;
        const job_id id = job_id::make(1'700'000'000'000 + n / 100, shard_id{1}, tenant_id{tenant}, n);
        t.put(table::jobs, job_key(tenant, id), of(200));
        t.put(table::queue, queue_key(tenant, n, id), {});
    }
    bool run_next(tables& t) {
        const std::uint32_t tenant = static_cast<std::uint32_t>(started_++ % tenants_) + 1;
        const std::optional<row> head = t.seek(table::queue, row_key{}.u16(1).u32(tenant));
        if (!head) return false;
        row_key queued;
        queued.raw(head->key);
        key_reader parts{queued};
        parts.u16(), parts.u32(), parts.u32(), parts.u64();
        const row_key job = job_key(tenant, parts.id());
        if (!t.get(table::jobs, job)) return false;
        t.put(table::jobs, job, of(220));
        t.erase(table::queue, queued);
        t.put(table::running, job, of(60));
        if (!t.get(table::jobs, job)) return false;
        t.put(table::jobs, job, of(260));
        t.erase(table::running, job);
        t.put(table::evidence, row_key{}.u16(1).u64(sequence_), of(120));
        t.put(table::events, row_key{}.u16(1).u64(sequence_++), of(80));
        return true;
    }
    static constexpr int operations = 12;

  private:
    static row_key job_key(std::uint32_t tenant, const job_id& id) { return row_key{}.u16(1).u32(tenant).id(id); }
    static row_key queue_key(std::uint32_t tenant, std::uint64_t rank, const job_id& id) {
        return row_key{}.u16(1).u32(tenant).u32(1).u64(rank).id(id).u32(0);
    }
    bytes_view of(std::size_t size) const { return bytes_view{value_}.first(size); }

    const std::uint32_t tenants_;
    std::array<std::byte, 512> value_;
    std::uint64_t submitted_ = 0;
    std::uint64_t started_ = 0;
    std::uint64_t sequence_ = 0;
};

struct workload {
    std::uint64_t backlog = 1'000'000;
    std::uint64_t jobs = 200'000;
    std::uint64_t batch = 384;
    std::uint32_t tenants = 100; // in turn: the fewer, the closer together a batch's rows lie
};

bool bench_jobs(store& s, const char* name, const workload& size) {
    const std::uint64_t backlog = size.backlog;
    const std::uint64_t jobs = size.jobs;
    job_lives lives(size.tenants);
    steady::time_point start = steady::now();
    for (std::uint64_t done = 0; done < backlog;) {
        const auto t = s.begin_write();
        for (std::uint64_t end = std::min(backlog, done + 20'000); done < end; ++done) lives.submit(*t);
        if (!t->commit()) return false;
    }
    report((std::string(name) + ": backlog filled").c_str(), static_cast<double>(backlog) / seconds_since(start),
           "jobs/s");

    std::vector<double> commits_ms;
    start = steady::now();
    for (std::uint64_t done = 0; done < jobs;) {
        const auto t = s.begin_write();
        for (std::uint64_t end = std::min(jobs, done + size.batch); done < end; ++done) {
            lives.submit(*t);
            if (!lives.run_next(*t)) return false;
        }
        const steady::time_point commit = steady::now();
        if (!t->commit()) return false;
        commits_ms.push_back(1e3 * seconds_since(commit));
    }
    const double took = seconds_since(start);
    std::ranges::sort(commits_ms);
    report((std::string(name) + ": jobs").c_str(), static_cast<double>(jobs) / took, "jobs/s");
    report((std::string(name) + ": operations").c_str(), static_cast<double>(jobs) * job_lives::operations / took,
           "ops/s");
    double all_ms = 0;
    for (const double ms : commits_ms) all_ms += ms;
    report((std::string(name) + ": operations without commits").c_str(),
           static_cast<double>(jobs) * job_lives::operations / (took - all_ms / 1e3), "ops/s");
    report((std::string(name) + ": a batch's commit, median").c_str(), commits_ms[commits_ms.size() / 2], "ms");
    report((std::string(name) + ": a batch's commit, p99").c_str(), commits_ms[commits_ms.size() * 99 / 100], "ms");
    return true;
}

bool bench_small_commits(store& s) {
    std::vector<double> us;
    for (std::uint64_t i = 0; i < 300; ++i) {
        const steady::time_point start = steady::now();
        const auto t = s.begin_write();
        t->put(table::events, row_key{}.u16(2).u64(i), as_bytes_view("a small value"));
        if (!t->commit()) return false;
        us.push_back(1e6 * seconds_since(start));
    }
    std::ranges::sort(us);
    report("lmdb: one small commit, median", us[us.size() / 2], "us");
    report("lmdb: one small commit, p99", us[us.size() * 99 / 100], "us");
    return true;
}

void bench_reads(store& s) {
    static constexpr int rounds = 300'000;
    steady::time_point start = steady::now();
    for (int i = 0; i < rounds; ++i) s.begin_read();
    report("lmdb: begin_read and end", 1e9 * seconds_since(start) / rounds, "ns");
    start = steady::now();
    std::uint64_t seen = 0;
    const auto r = s.begin_read();
    for (auto at = r->seek(table::jobs, {}); at && seen < 1'000'000; at = r->next(table::jobs)) ++seen;
    report("lmdb: rows walked", static_cast<double>(seen) / seconds_since(start), "rows/s");
}

// The same keys through mdb_put, which goes down from the root each time, and through a kept cursor.
bool bench_cursor_against_put(const std::filesystem::path& file, std::uint64_t rows, std::uint64_t batch) {
    lmdb::environment env;
    lmdb::transaction txn;
    MDB_dbi handle = 0;
    if (lmdb::environment::open(file, std::size_t{4} << 30, 4, 8, env) != 0) return false;
    const std::array<std::byte, 200> value{};
    std::mt19937_64 random(7);
    for (const bool append : {true, false}) {
        for (const bool by_cursor : {false, true}) {
            const std::string table_name = std::to_string(append) + std::to_string(by_cursor);
            if (env.begin_write(txn) != 0 || txn.open_table(table_name.c_str(), true, handle) != 0) return false;
            if (txn.commit() != 0) return false;
            double took = 0;
            for (std::uint64_t done = 0; done < rows;) {
                if (env.begin_write(txn) != 0) return false;
                const steady::time_point start = steady::now();
                {
                    lmdb::cursor at;
                    if (at.open(txn, handle) != 0) return false;
                    for (std::uint64_t end = std::min(rows, done + batch); done < end; ++done) {
                        const std::uint64_t high = append ? done : random();
                        const row_key k = row_key{}.u64(high).u64(done).u64(0);
                        if ((by_cursor ? at.put(k, value) : txn.put(handle, k, value)) != 0) return false;
                    }
                }
                took += seconds_since(start);
                if (txn.commit() != 0) return false;
            }
            const std::string name = std::string("lmdb: ") + (append ? "ascending" : "random") + " puts by " +
                                     (by_cursor ? "cursor" : "mdb_put");
            report(name.c_str(), 1e9 * took / static_cast<double>(rows), "ns");
        }
    }
    return true;
}

bool bench_records() {
    using node = capnp::schema::Node;
    static constexpr int rounds = 1'000'000;
    const auto memory = make_memory_store();
    const auto t = memory->begin_write();
    const bytes_view k = as_bytes_view("k");
    record_writer<node> writer;
    record_reader<node> reader;
    record_editor<node> editor;

    steady::time_point start = steady::now();
    for (int i = 0; i < rounds; ++i) {
        node::Builder b = writer.init();
        b.setId(static_cast<std::uint64_t>(i));
        b.setDisplayName("a display name of the usual length");
        b.setScopeId(9);
    }
    report("record_writer: init and set", 1e9 * seconds_since(start) / rounds, "ns");
    writer.put(*t, table::jobs, k);
    const bytes_view stored = *t->get(table::jobs, k);
    const bytes value{stored.begin(), stored.end()};
    report("record: bytes", static_cast<double>(value.size()), "B");

    start = steady::now();
    std::uint64_t sum = 0;
    for (int i = 0; i < rounds; ++i) {
        const auto r = reader.try_read(value);
        if (!r) return false;
        sum += r->getId() + r->getDisplayName().size();
    }
    report("record_reader: read and get", 1e9 * seconds_since(start) / rounds, "ns");

    start = steady::now();
    for (int i = 0; i < rounds; ++i) {
        auto b = editor.try_edit(value);
        if (!b) return false;
        b->setId(static_cast<std::uint64_t>(i));
        sum += b->getScopeId();
    }
    report("record_editor: edit and set", 1e9 * seconds_since(start) / rounds, "ns");

    start = steady::now();
    for (int i = 0; i < rounds; ++i) {
        const auto r = reader.try_read(value);
        if (!r) return false;
        writer.set_from(*r);
        writer.get().setId(static_cast<std::uint64_t>(i));
    }
    report("record_writer: set_from a reader and set", 1e9 * seconds_since(start) / rounds, "ns");

    start = steady::now();
    for (int i = 0; i < rounds; ++i) writer.put(*t, table::jobs, k);
    report("record_writer: put (memory twin)", 1e9 * seconds_since(start) / rounds, "ns");
    return sum != 0;
}

std::uint64_t number(int argc, char** argv, int index, std::uint64_t otherwise) {
    if (argc <= index) return otherwise;
    std::uint64_t value = otherwise;
    const std::string_view text = argv[index];
    std::from_chars(text.data(), text.data() + text.size(), value);
    return std::max<std::uint64_t>(value, 1);
}

bool run(int argc, char** argv) {
    workload size;
    size.backlog = number(argc, argv, 1, size.backlog);
    size.jobs = number(argc, argv, 2, size.jobs);
    size.batch = number(argc, argv, 3, size.batch);
    size.tenants = static_cast<std::uint32_t>(number(argc, argv, 5, size.tenants));
    const std::filesystem::path parent =
        argc > 4 ? std::filesystem::path(argv[4]) : std::filesystem::temp_directory_path();
    std::string directory = (parent / "coppice-bench-XXXXXX").string();
    if (::mkdtemp(directory.data()) == nullptr) return false;
    const std::filesystem::path dir = directory;

    bool good = false;
    {
        const auto s = open_lmdb_store({dir / "store.mdb", std::size_t{16} << 30, used_tables});
        good = s.has_value() && bench_jobs(**s, "lmdb", size) && bench_small_commits(**s);
        if (good) bench_reads(**s);
    }
    if (good) {
        const steady::time_point start = steady::now();
        good = open_lmdb_store({dir / "store.mdb", std::size_t{16} << 30, used_tables}).has_value();
        report("lmdb: open, checked", 1e3 * seconds_since(start), "ms");
        report("lmdb: file", static_cast<double>(std::filesystem::file_size(dir / "store.mdb")) / 1e6, "MB");
    }
    good = good && bench_cursor_against_put(dir / "puts.mdb", std::min<std::uint64_t>(size.jobs, 200'000), 4096);
    const auto memory = make_memory_store();
    const workload smaller{std::min<std::uint64_t>(size.backlog, 100'000),
                           std::min<std::uint64_t>(size.jobs, 50'000), size.batch, size.tenants};
    good = good && bench_jobs(*memory, "memory", smaller);
    good = good && bench_records();
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
    return good;
}

} // namespace
} // namespace coppice

int main(int argc, char** argv) { return coppice::run(argc, argv) ? EXIT_SUCCESS : EXIT_FAILURE; }
