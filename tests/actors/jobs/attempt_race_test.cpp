// A completion racing the rescue of the same attempt, ten thousand times, in an order drawn at random: which
// proposal and which step of time comes first, and which actor takes its next message.
//
// Whatever the order, one of the two ends the attempt and the other is refused as stale. A race is not won by luck
// alone: each side must win often, and often both must be in one batch, or the test proves nothing.
#include "tests/actors/jobs/virtual_shard.hpp"

namespace coppice::testing {
namespace {

constexpr std::size_t races_wanted = 10'000;
constexpr std::size_t races_per_node = 200; // the store check walks everything, so a store stays small
constexpr unsigned attempts_per_heat_max = 4;
constexpr milliseconds patience = 10s;

enum class rescue { heartbeat, attempt_timeout, worker_expired, said_lost };
constexpr std::array every_rescue{rescue::heartbeat, rescue::attempt_timeout, rescue::worker_expired,
                                  rescue::said_lost};
constexpr std::array<std::string_view, 4> names{"heartbeat timeout", "attempt timeout", "worker expired",
                                                "said to be lost"};
std::size_t rescue_index(rescue r) { return static_cast<std::size_t>(r); }

errc code_of(rescue r) {
    return r == rescue::heartbeat         ? errc::timeout_heartbeat
           : r == rescue::attempt_timeout ? errc::timeout_attempt
                                          : errc::worker_lost;
}

struct tally {
    std::size_t races = 0;
    std::size_t completed = 0;      // the completion ended the attempt
    std::size_t rescued = 0;        // the rescue did
    std::size_t rescue_refused = 0; // rescues that came too late, and were told so
    std::size_t in_one_batch = 0;   // both in the same commit
};

std::vector<job_type_spec> racing_types() {
    job_type_spec beating;
    beating.name = "beating";
    beating.attempts_max = limits::attempts_max;
    beating.retry = {0ms, 0ms};
    beating.timeouts.heartbeat = patience;
    job_type_spec brief = beating;
    brief.name = "brief";
    brief.timeouts = {.attempt = patience};
    job_type_spec plain = beating;
    plain.name = "plain";
    plain.timeouts = {};
    return {beating, brief, plain};
}

type_id type_for(rescue r) { return type_id{r == rescue::heartbeat ? 1U : r == rescue::attempt_timeout ? 2U : 3U}; }

// Some attempts of one worker, all rescued for the same reason, each completed at about the same time.
class heat {
  public:
    heat(virtual_shard& node, std::mt19937_64& random, rescue how, std::uint64_t& workers)
        : node_(node), random_(random), how_(how), worker_{++workers}, workers_(workers) {}

    void run(tally& t) {
        start();
        race();
        for (racer& r : racers_) judge(r, t);
        count(t);
        finish();
    }

  private:
    struct racer {
        attempt_ref ref;
        outcome says = outcome::SUCCEEDED;
        heard_ptr answer;
    };

    void start() {
        const auto n = static_cast<unsigned>(1 + random_() % attempts_per_heat_max);
        node_.attach(worker_, n);
        first_commit_ = node_.commits.size();
        for (unsigned i = 0; i < n; ++i) {
            const job_id id = node_.submit(type_for(how_));
            racers_.push_back({{id, 1}, random_() % 4 == 0 ? outcome::FAILED : outcome::SUCCEEDED, nullptr});
        }
        BOOST_REQUIRE_EQUAL(node_.told(worker_).assigned.size(), n);
        if (how_ == rescue::worker_expired) node_.hang_up(worker_, patience);
        node_.settle();
    }

    void race() {
        std::vector<std::function<void()>> moves;
        for (racer& r : racers_) moves.push_back([this, &r] { r.answer = node_.report(worker_, r.ref, r.says); });
        if (how_ == rescue::said_lost)
            for (racer& r : racers_) moves.push_back([this, &r] { node_.report(worker_, r.ref, outcome::LOST); });
        else
            moves.push_back([this] { node_.scheduler.advance_time(patience); });
        std::shuffle(moves.begin(), moves.end(), random_);
        for (const auto& move : moves) {
            move();
            for (auto steps = random_() % 10; steps > 0; --steps) node_.step(random_);
        }
        node_.drain(random_);
    }

    // The attempt ended once, and everybody was told the same.
    void judge(const racer& r, tally& t) {
        std::vector<end_effect> ends;
        std::size_t ends_of_job = 0; // whoever fails in time starts the next attempt, which may be overdue itself
        for (std::size_t i = first_commit_; i < node_.commits.size(); ++i)
            for (const end_effect& end : node_.commits[i].ended) {
                ends_of_job += end.ref.job == r.ref.job ? 1 : 0;
                if (end.ref == r.ref) ends.push_back(end);
            }
        BOOST_REQUIRE_EQUAL(ends.size(), 1U);
        BOOST_REQUIRE_EQUAL(r.answer->times, 1);
        const bool completed = r.answer->code() == errc::ok;
        BOOST_REQUIRE(completed || r.answer->code() == errc::stale_attempt);
        const errc own = r.says == outcome::SUCCEEDED ? errc::ok : errc::job_failed;
        BOOST_REQUIRE((ends.front().code == (completed ? own : code_of(how_))));
        const bool revoked = std::ranges::count(node_.told(worker_).revoked, r.ref) == 1;
        BOOST_REQUIRE_EQUAL(revoked, !completed && how_ != rescue::worker_expired);
        const job_view job = node_.job(r.ref.job);
        const bool is_over = completed && r.says == outcome::SUCCEEDED;
        BOOST_REQUIRE_EQUAL(job.state == job_state::SUCCEEDED, is_over);
        BOOST_REQUIRE_EQUAL(is_terminal(job.state), is_over);
        BOOST_REQUIRE_EQUAL(job.tries + job.lost, is_over ? 0U : ends_of_job);
        BOOST_REQUIRE_EQUAL(job.attempt, ends_of_job + (job.state == job_state::RUNNING ? 1 : 0));
        ++t.races;
        ++(completed ? t.completed : t.rescued);
        if (!completed) --stale_expected_;
    }

    void count(tally& t) {
        std::uint64_t stale = 0;
        for (std::size_t i = first_commit_; i < node_.commits.size(); ++i) {
            stale += node_.commits[i].stale;
            if (!node_.commits[i].ended.empty()) t.in_one_batch += node_.commits[i].stale;
        }
        t.rescue_refused += static_cast<std::size_t>(static_cast<std::int64_t>(stale) + stale_expected_);
    }

    // What was rescued runs again, on a worker that is there, and ends.
    void finish() {
        const worker_id next = how_ == rescue::worker_expired ? worker_id{++workers_} : worker_;
        if (next != worker_) node_.attach(next, attempts_per_heat_max);
        for (const racer& r : racers_) {
            const attempt_ref now = node_.attempt_of(r.ref.job);
            if (now != r.ref) BOOST_REQUIRE((std::ranges::count(node_.told(next).assigned, now) == 1));
            node_.report(next, now, outcome::SUCCEEDED);
            node_.settle();
            BOOST_REQUIRE((node_.job(r.ref.job).state == job_state::SUCCEEDED));
            BOOST_REQUIRE(node_.job_row(r.ref.job).path.empty());
        }
        BOOST_REQUIRE_EQUAL(node_.rows(table::running), 0U);
        BOOST_REQUIRE_EQUAL(node_.machine->pool().held(), 0U);
        node_.hang_up(next, 0ms);
        node_.pass(0ms);
    }

    virtual_shard& node_;
    std::mt19937_64& random_;
    rescue how_;
    worker_id worker_;
    std::uint64_t& workers_;
    std::vector<racer> racers_;
    std::size_t first_commit_ = 0;
    std::int64_t stale_expected_ = 0; // minus the completions that were refused
};

// Each attempt that was ever started has the next number of its job.
void require_numbers_in_order(const virtual_shard& node) {
    std::map<job_id, std::uint32_t> last;
    for (const commit_note& commit : node.commits)
        for (const attempt_ref& ref : commit.started) BOOST_REQUIRE_EQUAL(ref.attempt, ++last[ref.job]);
}

} // namespace

BOOST_AUTO_TEST_SUITE(attempt_races)

BOOST_AUTO_TEST_CASE(a_completion_and_the_rescue_of_its_attempt_never_both_win) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    BOOST_TEST_MESSAGE("COPPICE_SEED=" << seed);
    std::mt19937_64 random{seed};
    std::array<tally, every_rescue.size()> tallies;
    std::size_t races = 0;
    while (races < races_wanted) {
        virtual_shard node{racing_types()};
        std::uint64_t workers = 0;
        const std::size_t before = races;
        while (races < before + races_per_node) {
            const rescue how = every_rescue[random() % every_rescue.size()];
            tally& t = tallies[rescue_index(how)];
            const std::size_t so_far = t.races;
            BOOST_TEST_CONTEXT("seed " << seed << ", race " << races << ", " << names[rescue_index(how)])
            heat{node, random, how, workers}.run(t);
            races += t.races - so_far;
        }
        node.require_sound();
        require_numbers_in_order(node);
        // Exactly one end for each job: as many events as jobs.
        BOOST_REQUIRE_EQUAL(node.rows(table::events), node.rows(table::jobs));
        BOOST_REQUIRE_EQUAL(node.rows(table::jobs), races - before);
        BOOST_REQUIRE_EQUAL(node.count(supervision_event::child_failed), 0U);
    }
    for (const rescue how : every_rescue) {
        const tally& t = tallies[rescue_index(how)];
        BOOST_TEST_MESSAGE(names[rescue_index(how)]
                           << ": " << t.races << " races, " << t.completed << " completed, " << t.rescued
                           << " rescued, " << t.rescue_refused << " rescues refused as stale, " << t.in_one_batch
                           << " losers in the winner's batch");
        BOOST_TEST(t.completed * 10 >= t.races);
        BOOST_TEST(t.rescued * 10 >= t.races);
        BOOST_TEST(t.rescue_refused * 100 >= t.races);
        BOOST_TEST(t.in_one_batch * 100 >= t.races);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
