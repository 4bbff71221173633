#include "cluster/control/etcd_control_store.hpp"

#include <atomic>

#include "cluster/control/control_checks.hpp"
#include "cluster/control/etcd_leases.hpp"
#include "cluster/control/etcd_list.hpp"
#include "cluster/control/etcd_messages.hpp"
#include "cluster/control/etcd_watch.hpp"

namespace coppice {
namespace {

using commit_result = tl::expected<std::uint64_t, control_refusal>;

// What an answer to `txn` means. One that was sent and is not understood may have happened.
commit_result judge_commit(const etcd_result& result, const std::string& prefix, const control_txn& txn) {
    if (!result) {
        failure why = result.error().why;
        if (result.error().what == etcd_trouble::kind::broken) why.code = errc::unknown_outcome;
        return control_refused(std::move(why));
    }
    auto answer = etcd_txn_answer(*result, prefix, txn);
    if (!answer) return control_refused({errc::unknown_outcome, answer.error().detail});
    if (answer->succeeded) return answer->revision;
    return tl::unexpected<control_refusal>(
        control_refusal{{errc::conflict, "a key has another revision"}, std::move(answer->now)});
}

class etcd_control_store final : public control_store {
  public:
    explicit etcd_control_store(etcd_options options)
        : loop_(options.tls), client_(loop_, std::move(options)), leases_(client_) {}
    ~etcd_control_store() override { stop(); }

    void get(std::string key, control_answer<std::optional<control_entry>> done) override;
    void list(std::string prefix, control_answer<control_listing> done) override;
    void commit(control_txn txn, control_commit_answer done) override;
    expected<control_watch> watch(std::string prefix, std::optional<control_position> from,
                                  std::shared_ptr<control_watcher> watcher) override;
    void unwatch(control_watch watch) override;
    void grant_lease(std::chrono::seconds ttl, std::function<void(const failure&)> lost,
                     control_answer<control_lease> done) override;
    void revoke_lease(control_lease lease, control_answer<void> done) override;
    void stop() override {
        loop_.stop([this] {
            watches_.clear();
            client_.stop();
        });
    }

  private:
    const std::string& prefix() const { return client_.options().prefix; }
    // Runs `work(done)` on the loop, within the budget of calls; `refuse` makes an answer of a failure.
    template <class Answer, class Refuse, class Work>
    void ask(std::size_t size, Answer done, Refuse refuse, Work work);

    const std::shared_ptr<control_budget> budget_ = std::make_shared<control_budget>();
    std::atomic<std::size_t> watches_taken_ = 0;
    std::atomic<control_watch> last_watch_ = 0;
    http_loop loop_;

    // ---- the loop's
    etcd_client client_;
    etcd_leases leases_;
    std::map<control_watch, std::shared_ptr<etcd_watch>> watches_;
};

template <class Answer, class Refuse, class Work>
void etcd_control_store::ask(std::size_t size, Answer done, Refuse refuse, Work work) {
    if (!budget_->take(size)) return done(refuse(control_overloaded()));
    done = returning(budget_, size, std::move(done));
    if (!loop_.post([done, work = std::move(work)]() mutable { work(std::move(done)); }))
        done(refuse(control_stopped()));
}

void etcd_control_store::get(std::string key, control_answer<std::optional<control_entry>> done) {
    using result = std::optional<control_entry>;
    if (auto ok = check_control_key(key); !ok) return done(tl::unexpected(ok.error()));
    ask(0, std::move(done), tl::make_unexpected<failure>, [this, key](control_answer<result> answer) {
        client_.call({.path = "kv/range",
                      .body = etcd_get_request(prefix() + key),
                      .done = [this, key, answer](const etcd_result& r) {
                          if (!r) return answer(tl::unexpected(r.error().why));
                          auto range = etcd_range_answer(*r, prefix(), key, 1);
                          if (!range) return answer(tl::unexpected(range.error()));
                          if (range->entries.empty()) return answer(result{});
                          if (range->entries[0].key != key)
                              return answer(fail(errc::message_invalid, "etcd answers with another key"));
                          answer(result{std::move(range->entries[0])});
                      }});
    });
}

void etcd_control_store::list(std::string below, control_answer<control_listing> done) {
    if (auto ok = check_control_prefix(below); !ok) return done(tl::unexpected(ok.error()));
    ask(0, std::move(done), tl::make_unexpected<failure>,
        [this, below](control_answer<control_listing> answer) { etcd_list(client_, below, std::move(answer)); });
}

void etcd_control_store::commit(control_txn txn, control_commit_answer done) {
    if (auto ok = check_control_txn(txn); !ok) return done(control_refused(ok.error()));
    const std::size_t size = size_of(txn);
    ask(size, std::move(done), control_refused, [this, txn = std::move(txn)](control_commit_answer answer) {
        std::string body = etcd_txn_request(prefix(), txn);
        client_.call(
            {.path = "kv/txn",
             .body = std::move(body),
             .repeatable = false,
             .done = [this, txn, answer](const etcd_result& r) { answer(judge_commit(r, prefix(), txn)); }});
    });
}

expected<control_watch> etcd_control_store::watch(std::string below, std::optional<control_position> from,
                                                  std::shared_ptr<control_watcher> watcher) {
    if (auto ok = check_control_prefix(below); !ok) return tl::unexpected(ok.error());
    if (watches_taken_.fetch_add(1) >= limits::control_watches_max) {
        --watches_taken_;
        return fail(errc::overloaded, "too many watches on the control store");
    }
    const control_watch id = ++last_watch_;
    const bool taken = loop_.post([this, id, below, from, watcher] {
        const auto made = std::make_shared<etcd_watch>(client_, below, from, watcher);
        watches_.emplace(id, made);
        made->begin();
    });
    if (!taken) return tl::unexpected(control_stopped());
    return id;
}

void etcd_control_store::unwatch(control_watch watch) {
    loop_.post([this, watch] {
        if (watches_.erase(watch) > 0) --watches_taken_;
    });
}

void etcd_control_store::grant_lease(std::chrono::seconds ttl, std::function<void(const failure&)> lost,
                                     control_answer<control_lease> done) {
    if (auto ok = check_control_ttl(ttl); !ok) return done(tl::unexpected(ok.error()));
    ask(0, std::move(done), tl::make_unexpected<failure>,
        [this, ttl, lost](control_answer<control_lease> answer) { leases_.grant(ttl, lost, std::move(answer)); });
}

void etcd_control_store::revoke_lease(control_lease lease, control_answer<void> done) {
    ask(0, std::move(done), tl::make_unexpected<failure>,
        [this, lease](control_answer<void> answer) { leases_.revoke(lease, std::move(answer)); });
}

} // namespace

expected<std::unique_ptr<control_store>> make_etcd_control_store(etcd_options options) {
    if (auto ok = check_etcd_options(options); !ok) return tl::unexpected(ok.error());
    return std::make_unique<etcd_control_store>(std::move(options));
}

} // namespace coppice
