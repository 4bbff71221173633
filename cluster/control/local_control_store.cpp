#include "cluster/control/local_control_store.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <set>
#include <stdexcept>
#include <variant>

#include "cluster/control/control_checks.hpp"
#include "cluster/control/quiet_thread.hpp"
#include "schema/limits.hpp"
#include "schema/random_number.hpp"

namespace coppice {
namespace {

constexpr std::string_view revision_name = "control/revision";
constexpr std::string_view history_name = "control/history";

using commit_result = tl::expected<std::uint64_t, control_refusal>;

struct waiting_commit {
    control_txn txn;
    control_commit_answer done;
};
// Run on the thread; told whether the store is stopping.
using waiting_task = std::function<void(bool stopping)>;
using waiting = std::variant<waiting_commit, waiting_task>;

class local_control_store final : public control_store {
  public:
    explicit local_control_store(std::shared_ptr<control_rows> rows) : rows_(std::move(rows)) {}
    ~local_control_store() override { stop(); }

    expected<void> open();

    void get(std::string key, control_answer<std::optional<control_entry>> done) override;
    void list(std::string prefix, control_answer<control_listing> done) override;
    void commit(control_txn txn, control_commit_answer done) override;
    expected<control_watch> watch(std::string prefix, std::optional<control_position> from,
                                  std::shared_ptr<control_watcher> watcher) override;
    void unwatch(control_watch watch) override;
    void grant_lease(std::chrono::seconds ttl, std::function<void(const failure&)> lost,
                     control_answer<control_lease> done) override;
    void revoke_lease(control_lease lease, control_answer<void> done) override;
    void stop() override;

  private:
    struct watching {
        std::string prefix;
        std::shared_ptr<control_watcher> watcher;
        std::optional<control_position> from;
        bool begun = false; // false: the store could not be read; tried again
    };

    bool enqueue(waiting work);
    template <class T>
    void ask(control_answer<T> done, std::function<expected<T>()> work);
    void run();
    void run_commits(std::vector<waiting_commit> commits);
    expected<void> apply_all(tables& to, const std::vector<waiting_commit>& commits,
                             std::vector<commit_result>& results, std::vector<control_change>& changes);
    commit_result apply(tables& to, const control_txn& txn, std::vector<control_change>& changes);
    expected<control_listing> listing(std::string_view prefix);
    void begin_watch(watching& w);
    void sign_of_life();
    void remember(const std::vector<control_change>& changes);
    void tell(const watching& w, std::vector<control_change> changes);
    expected<std::uint64_t> erase_leased(control_lease lease);
    control_position at() const { return {history_, revision_}; }

    const std::shared_ptr<control_rows> rows_;
    const std::shared_ptr<control_budget> budget_ = std::make_shared<control_budget>();
    std::uint64_t history_ = 0;

    std::mutex mutex_; // guards what follows
    std::condition_variable wake_;
    std::deque<waiting> queue_;
    bool stopping_ = false;
    std::size_t watches_taken_ = 0;
    std::uint64_t last_id_ = 0;

    // ---- the thread's own
    std::uint64_t revision_ = 0;
    std::map<control_watch, watching> watches_;
    std::set<control_lease> leases_;
    std::deque<control_change> changes_; // the last ones, complete from `changes_after_` on
    std::size_t changes_size_ = 0;
    std::uint64_t changes_after_ = 0;

    std::mutex joining_;
    std::thread thread_;
    std::thread::id own_thread_; // does not change with the join
};

std::size_t size_of(const control_change& c) { return c.key.size() + (c.value ? c.value->size() : 0); }

// ---- opening and stopping

expected<void> local_control_store::open() {
    auto settled = rows_->write([this](tables& t) -> expected<void> {
        history_ = meta_number(t, history_name);
        revision_ = meta_number(t, revision_name);
        if (history_ == 0) {
            history_ = random_number() | 1U; // never 0, which is no history
            revision_ = 1;
            put_meta_number(t, history_name, history_);
        }
        auto all = entries_of(t, table::control, "");
        if (!all) return tl::unexpected(all.error());
        bool leased = false;
        for (const control_entry& entry : *all)
            if (entry.lease != 0) leased |= t.erase(table::control, as_bytes_view(entry.key));
        if (leased) ++revision_;
        put_meta_number(t, revision_name, revision_);
        return {};
    });
    if (!settled) return settled;
    changes_after_ = revision_;
    thread_ = quiet_thread([this] { run(); });
    own_thread_ = thread_.get_id();
    return {};
}

void local_control_store::stop() {
    if (std::this_thread::get_id() == own_thread_)
        throw std::logic_error("a control store is not stopped from its own callback");
    {
        const std::lock_guard guard{mutex_};
        stopping_ = true;
    }
    wake_.notify_all();
    const std::lock_guard guard{joining_};
    if (thread_.joinable()) thread_.join();
}

// ---- the queue

// Bounded by the budget of calls and the number of watches.
bool local_control_store::enqueue(waiting work) {
    {
        const std::lock_guard guard{mutex_};
        if (stopping_) return false;
        queue_.push_back(std::move(work));
    }
    wake_.notify_one();
    return true;
}

template <class T>
void local_control_store::ask(control_answer<T> done, std::function<expected<T>()> work) {
    if (!budget_->take(0)) return done(tl::unexpected(control_overloaded()));
    done = returning(budget_, 0, std::move(done));
    const bool taken = enqueue([done, work = std::move(work)](bool stopping) {
        stopping ? done(tl::unexpected(control_stopped())) : done(work());
    });
    if (!taken) done(tl::unexpected(control_stopped()));
}

void local_control_store::run() {
    for (;;) {
        std::deque<waiting> batch;
        bool stopping = false;
        {
            std::unique_lock lock{mutex_};
            wake_.wait_for(lock, limits::control_probe_interval, [this] { return stopping_ || !queue_.empty(); });
            batch.swap(queue_);
            stopping = stopping_;
        }
        if (batch.empty() && !stopping) sign_of_life();
        std::vector<waiting_commit> commits;
        const auto flush = [&] {
            if (!commits.empty()) run_commits(std::exchange(commits, {}));
        };
        for (waiting& each : batch) {
            if (auto* commit = std::get_if<waiting_commit>(&each)) {
                if (stopping)
                    commit->done(control_refused(control_stopped()));
                else
                    commits.push_back(std::move(*commit));
            } else {
                flush();
                std::get<waiting_task>(each)(stopping);
            }
        }
        flush();
        if (stopping) return watches_.clear();
    }
}

// ---- reads

expected<control_listing> local_control_store::listing(std::string_view prefix) {
    auto snapshot = rows_->read();
    if (!snapshot) return tl::unexpected(snapshot.error());
    auto entries = entries_of(**snapshot, table::control, prefix);
    if (!entries) return tl::unexpected(entries.error());
    return control_listing{std::move(*entries), at()};
}

void local_control_store::get(std::string key, control_answer<std::optional<control_entry>> done) {
    using result = std::optional<control_entry>;
    if (auto ok = check_control_key(key); !ok) return done(tl::unexpected(ok.error()));
    ask<result>(std::move(done), [this, key = std::move(key)]() -> expected<result> {
        auto snapshot = rows_->read();
        if (!snapshot) return tl::unexpected(snapshot.error());
        const auto value = (*snapshot)->get(table::control, as_bytes_view(key));
        if (!value) return result{};
        auto entry = entry_of(as_bytes_view(key), *value);
        if (!entry) return fail(errc::store_damaged, "the row of " + key + " is cut short");
        return entry;
    });
}

void local_control_store::list(std::string prefix, control_answer<control_listing> done) {
    if (auto ok = check_control_prefix(prefix); !ok) return done(tl::unexpected(ok.error()));
    ask<control_listing>(std::move(done), [this, prefix = std::move(prefix)] { return listing(prefix); });
}

// ---- commits

void local_control_store::commit(control_txn txn, control_commit_answer done) {
    if (auto ok = check_control_txn(txn); !ok) return done(control_refused(ok.error()));
    const std::size_t size = size_of(txn);
    if (!budget_->take(size)) return done(control_refused(control_overloaded()));
    done = returning(budget_, size, std::move(done));
    if (!enqueue(waiting_commit{std::move(txn), done})) done(control_refused(control_stopped()));
}

commit_result local_control_store::apply(tables& to, const control_txn& txn, std::vector<control_change>& changes) {
    std::vector<control_seen> now;
    bool holds = true;
    for (const control_compare& c : txn.compares) {
        const auto value = to.get(table::control, as_bytes_view(c.key));
        now.push_back({c.key, value ? entry_of(as_bytes_view(c.key), *value) : std::nullopt});
        holds = holds && (now.back().entry ? now.back().entry->revision : 0) == c.revision;
    }
    if (!holds)
        return tl::unexpected<control_refusal>(
            control_refusal{{errc::conflict, "a key has another revision"}, std::move(now)});
    for (const control_put& p : txn.puts)
        if (p.lease != 0 && !leases_.contains(p.lease))
            return control_refused({errc::not_found, "there is no lease " + std::to_string(p.lease)});
    const std::size_t before = changes.size();
    for (const control_put& p : txn.puts) {
        put_entry(to, table::control, {p.key, p.value, revision_ + 1, p.lease});
        changes.push_back({p.key, p.value, revision_ + 1, p.lease});
    }
    for (const std::string& key : txn.erases)
        if (to.erase(table::control, as_bytes_view(key))) changes.push_back({key, std::nullopt, revision_ + 1, 0});
    if (changes.size() > before) ++revision_;
    return revision_;
}

expected<void> local_control_store::apply_all(tables& to, const std::vector<waiting_commit>& commits,
                                              std::vector<commit_result>& results,
                                              std::vector<control_change>& changes) {
    for (const waiting_commit& each : commits) results.push_back(apply(to, each.txn, changes));
    put_meta_number(to, revision_name, revision_);
    return {};
}

void local_control_store::run_commits(std::vector<waiting_commit> commits) {
    const std::uint64_t before = revision_;
    std::vector<commit_result> results;
    std::vector<control_change> changes;
    const auto written = rows_->write([&](tables& to) { return apply_all(to, commits, results, changes); });
    if (!written) {
        revision_ = before;
        failure why = written.error();
        if (why.code == errc::store_damaged) why.code = errc::unknown_outcome;
        for (const waiting_commit& each : commits) each.done(control_refused(why));
        return;
    }
    for (std::size_t i = 0; i < commits.size(); ++i) commits[i].done(std::move(results[i]));
    remember(changes);
    for (const auto& [id, w] : watches_) tell(w, changes);
}

// ---- watches

void local_control_store::remember(const std::vector<control_change>& changes) {
    for (const control_change& c : changes) {
        changes_size_ += size_of(c);
        changes_.push_back(c);
    }
    while (changes_.size() > limits::control_history_changes_max ||
           changes_size_ > limits::control_history_size_max) {
        changes_after_ = changes_.front().revision;
        while (!changes_.empty() && changes_.front().revision == changes_after_) {
            changes_size_ -= size_of(changes_.front());
            changes_.pop_front();
        }
    }
}

void local_control_store::tell(const watching& w, std::vector<control_change> changes) {
    if (!w.begun) return;
    std::erase_if(changes, [&](const control_change& c) { return !c.key.starts_with(w.prefix); });
    if (changes.empty()) return;
    const control_position last{history_, changes.back().revision};
    w.watcher->changed(std::move(changes), last);
}

expected<control_watch> local_control_store::watch(std::string prefix, std::optional<control_position> from,
                                                   std::shared_ptr<control_watcher> watcher) {
    if (auto ok = check_control_prefix(prefix); !ok) return tl::unexpected(ok.error());
    control_watch id = 0;
    {
        const std::lock_guard guard{mutex_};
        if (stopping_) return tl::unexpected(control_stopped());
        if (watches_taken_ == limits::control_watches_max)
            return fail(errc::overloaded, "too many watches on the control store");
        ++watches_taken_;
        id = ++last_id_;
    }
    enqueue([this, id, w = watching{std::move(prefix), std::move(watcher), from}](bool stopping) {
        if (!stopping) begin_watch(watches_.emplace(id, w).first->second);
    });
    return id;
}

void local_control_store::begin_watch(watching& w) {
    const bool resumes = w.from && w.from->history == history_ && w.from->revision >= changes_after_ &&
                         w.from->revision <= revision_;
    if (resumes) {
        w.begun = true;
        std::vector<control_change> missed;
        for (const control_change& c : changes_)
            if (c.revision > w.from->revision) missed.push_back(c);
        w.watcher->connected(at());
        return tell(w, std::move(missed));
    }
    auto all = listing(w.prefix);
    if (!all) return w.watcher->disconnected(all.error());
    w.begun = true;
    w.watcher->connected(at());
    w.watcher->reset(std::move(*all));
}

void local_control_store::sign_of_life() {
    for (auto& [id, w] : watches_) w.begun ? w.watcher->connected(at()) : begin_watch(w);
}

void local_control_store::unwatch(control_watch watch) {
    enqueue([this, watch](bool) {
        if (watches_.erase(watch) == 0) return;
        const std::lock_guard guard{mutex_};
        --watches_taken_;
    });
}

// ---- leases

void local_control_store::grant_lease(std::chrono::seconds ttl, std::function<void(const failure&)>,
                                      control_answer<control_lease> done) {
    if (auto ok = check_control_ttl(ttl); !ok) return done(tl::unexpected(ok.error()));
    ask<control_lease>(std::move(done), [this]() -> expected<control_lease> {
        if (leases_.size() == limits::control_leases_max)
            return fail(errc::overloaded, "too many leases of the control store");
        const control_lease lease = random_number() >> 1;
        leases_.insert(lease);
        return lease;
    });
}

expected<std::uint64_t> local_control_store::erase_leased(control_lease lease) {
    auto snapshot = rows_->read();
    if (!snapshot) return tl::unexpected(snapshot.error());
    auto all = entries_of(**snapshot, table::control, "");
    if (!all) return tl::unexpected(all.error());
    std::vector<control_change> changes;
    for (const control_entry& entry : *all)
        if (entry.lease == lease) changes.push_back({entry.key, std::nullopt, revision_ + 1, 0});
    if (changes.empty()) return revision_;
    const auto written = rows_->write([&](tables& to) -> expected<void> {
        for (const control_change& c : changes) to.erase(table::control, as_bytes_view(c.key));
        put_meta_number(to, revision_name, revision_ + 1);
        return {};
    });
    if (!written) return tl::unexpected(written.error());
    ++revision_;
    remember(changes);
    for (const auto& [id, w] : watches_) tell(w, changes);
    return revision_;
}

void local_control_store::revoke_lease(control_lease lease, control_answer<void> done) {
    ask<void>(std::move(done), [this, lease]() -> expected<void> {
        if (!leases_.contains(lease)) return {};
        if (auto erased = erase_leased(lease); !erased) return tl::unexpected(erased.error());
        leases_.erase(lease);
        return {};
    });
}

} // namespace

expected<std::unique_ptr<control_store>> make_local_control_store(std::shared_ptr<control_rows> rows) {
    auto made = std::make_unique<local_control_store>(std::move(rows));
    if (auto opened = made->open(); !opened) return tl::unexpected(opened.error());
    return made;
}

} // namespace coppice
