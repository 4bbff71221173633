// Row 3: one submit at a time beside what it is made of, one commit and one call.
//
// Intuition: the machine drifts (another process, a busy disk), so small groups of each take turns, and what slows
// one slows all. The commit is LMDB's alone, with a put as large as a small job's row, on the same disk.
#include <array>

#include "bench/node/bare_call.hpp"
#include "bench/node/node_under_test.hpp"
#include "bench/node/rows.hpp"
#include "persistence/keys.hpp"
#include "persistence/lmdb.hpp"
#include "runtime/client/bench_driver.hpp"
#include "runtime/client/client.hpp"

namespace coppice::bench {
namespace {

// A file of its own, removed at the end.
class lone_commits {
  public:
    explicit lone_commits(std::filesystem::path file) : file_(std::move(file)) {}
    ~lone_commits() {
        env_.close();
        std::filesystem::remove(file_);
        std::filesystem::remove(file_.string() + "-lock");
    }
    lone_commits(const lone_commits&) = delete;
    lone_commits& operator=(const lone_commits&) = delete;

    lmdb::code open() {
        constexpr std::size_t map_bytes = std::size_t{1} << 30;
        constexpr unsigned tables = 1, readers = 2;
        if (const auto c = lmdb::environment::open(file_, map_bytes, tables, readers, env_); c != 0) return c;
        lmdb::transaction txn;
        if (const auto c = env_.begin_write(txn); c != 0) return c;
        if (const auto c = txn.open_table("rows", true, rows_); c != 0) return c;
        return txn.commit();
    }
    lmdb::code one() {
        lmdb::transaction txn;
        if (const auto c = env_.begin_write(txn); c != 0) return c;
        if (const auto c = txn.put(rows_, row_key{}.u64(++next_), row_); c != 0) return c;
        return txn.commit();
    }

  private:
    std::filesystem::path file_;
    lmdb::environment env_;
    MDB_dbi rows_ = 0;
    std::uint64_t next_ = 0;
    std::array<std::byte, 240> row_{}; // a job's row with a small payload
};

struct samples {
    std::vector<double> commit_us, call_us, submit_us;
};

// One group of each kind.
expected<void> take_turns(lone_commits& commits, bare_client& bare, client::client& node, kj::WaitScope& scope,
                          std::uint64_t group, samples& into) {
    const auto timed = [group](std::vector<double>& to, auto&& once) -> expected<void> {
        for (std::uint64_t i = 0; i < group; ++i) {
            const auto begin = steady::now();
            if (auto ok = once(); !ok) return ok;
            to.push_back(us_since(begin));
        }
        return {};
    };
    const auto commit = [&]() -> expected<void> {
        const auto c = commits.one();
        return c == 0 ? expected<void>{} : fail(errc::store_damaged, lmdb::text_of(c));
    };
    const auto call = [&]() -> expected<void> {
        bare.call().wait(scope);
        return {};
    };
    const auto submit = [&]() -> expected<void> {
        auto answer = node.submit({.tenant = tenant_name, .type = idle_type, .payload = "null"}).wait(scope);
        if (!answer) return tl::unexpected(std::move(answer.error()));
        return {};
    };
    if (auto ok = timed(into.commit_us, commit); !ok) return ok;
    if (auto ok = timed(into.call_us, call); !ok) return ok;
    return timed(into.submit_us, submit);
}

} // namespace

expected<report> row_single_submit(const settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    lone_commits commits(node.data_file().string() + "-bare");
    if (const auto c = commits.open(); c != 0) return fail(errc::store_damaged, lmdb::text_of(c));
    const bare_server server;
    auto io = kj::setupAsyncIo();
    bare_client bare(io, server.port());
    client::client client(io, node.connect());
    figure ratio{3,   "single submit, one in flight: p50 to commit + bare call, p50", "x", {}, better::less, 1.6,
                 1.15};
    figure submit{3, "  the submit, p50", "us"};
    figure commit{3, "  one LMDB commit with one put, p50", "us"};
    figure call{3, "  one bare call, p50", "us"};
    samples warm_up;
    if (auto ok = take_turns(commits, bare, client, io.waitScope, s.single_group, warm_up); !ok)
        return tl::unexpected(ok.error());
    for (int i = 0; i < s.repetitions; ++i) {
        samples taken;
        for (std::uint64_t round = 0; round < s.single_rounds; ++round)
            if (auto ok = take_turns(commits, bare, client, io.waitScope, s.single_group, taken); !ok)
                return tl::unexpected(ok.error());
        commit.values.push_back(client::quantiles_of(std::move(taken.commit_us)).p50);
        call.values.push_back(client::quantiles_of(std::move(taken.call_us)).p50);
        submit.values.push_back(client::quantiles_of(std::move(taken.submit_us)).p50);
        ratio.values.push_back(submit.values.back() / (commit.values.back() + call.values.back()));
    }
    return report{{ratio, submit, commit, call}, {}};
}

} // namespace coppice::bench
