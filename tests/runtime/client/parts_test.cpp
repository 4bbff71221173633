// The parts of the client that need no connection: options, backoff, lines, the book of reports, quantiles.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>

#include "runtime/client/backoff.hpp"
#include "runtime/client/bench_driver.hpp"
#include "runtime/client/options.hpp"
#include "runtime/client/report_book.hpp"
#include "runtime/client/runners.hpp"
#include "schema/limits.hpp"

namespace {

using namespace coppice;
namespace cc = coppice::client;

attempt_ref ref(std::uint64_t n) { return {job_id::make(1, shard_id{0}, tenant_id{1}, n), 1}; }

attempt_report lines(std::uint64_t n, std::uint64_t first, std::uint64_t count) {
    attempt_report r{.ref = ref(n)};
    for (std::uint64_t i = 0; i < count; ++i) r.logs.push_back({first + i, never, log_stream::out, "x"});
    return r;
}

constexpr std::size_t all = 1000;
constexpr std::size_t bytes = 1 << 20;
const auto nothing = [](const attempt_ref&) {};

} // namespace

BOOST_AUTO_TEST_SUITE(client_parts)

BOOST_AUTO_TEST_CASE(the_environment_says_where_and_as_whom) {
    const std::map<std::string, const char*> environment{{"COPPICE_SERVER", "h:1"}, {"COPPICE_TOKEN", "tok"}};
    const auto lookup = [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? nullptr : found->second;
    };
    const auto o = cc::options_from_environment(lookup);
    BOOST_TEST(o.server == "h:1");
    BOOST_TEST(cc::current_token(o).value() == "tok");
    BOOST_TEST(cc::options_from_environment([](const char*) { return nullptr; }).server == "127.0.0.1:7400");
}

BOOST_AUTO_TEST_CASE(a_token_file_is_read_anew_and_bounded) {
    char path[] = "/tmp/coppice-token-XXXXXX";
    const int fd = ::mkstemp(path);
    BOOST_REQUIRE(fd >= 0);
    cc::options o;
    o.token_file = path;
    BOOST_TEST((cc::current_token(o).error().code == errc::unauthenticated));
    std::ofstream(path) << "one \r\nsecond line\n";
    BOOST_TEST(cc::current_token(o).value() == "one");
    std::ofstream(path) << "two";
    BOOST_TEST(cc::current_token(o).value() == "two");
    std::ofstream(path) << std::string(limits::token_size_max + 1, 'x');
    BOOST_TEST((cc::current_token(o).error().code == errc::unauthenticated));
    std::remove(path);
    BOOST_TEST((cc::current_token(o).error().code == errc::unauthenticated));
}

BOOST_AUTO_TEST_CASE(a_backoff_doubles_its_ceiling_and_stays_below_its_maximum) {
    cc::backoff b(milliseconds{10}, milliseconds{1000});
    BOOST_TEST(b.next(10).count() == 10);
    std::mt19937_64 random(7);
    for (int i = 0; i < 1000; ++i) BOOST_TEST(b.next(random()).count() <= 1000);
    BOOST_TEST(b.ceiling().count() == 1000);
    b.reset();
    for (int i = 0; i < 100; ++i, b.reset()) BOOST_TEST(b.next(random()).count() <= 10);
}

BOOST_AUTO_TEST_CASE(text_becomes_bounded_lines_of_whole_characters) {
    std::vector<log_line> to;
    std::uint64_t next = 5;
    std::string wide;
    while (wide.size() <= limits::log_line_size_max) wide += "\xc3\xa9";
    cc::append_lines(to, next, "a\n\n" + wide + "\n", log_stream::err, never);
    BOOST_REQUIRE(to.size() == 3U);
    BOOST_TEST(to[1].text.empty());
    BOOST_TEST(to[2].sequence == 7U);
    BOOST_TEST(next == 8U);
    BOOST_TEST(to[2].text.size() <= limits::log_line_size_max);
    BOOST_TEST(to[2].text.ends_with("\xc3\xa9 [cut]"));
}

BOOST_AUTO_TEST_CASE(the_oldest_lines_go_and_the_gap_shows) {
    cc::report_book book;
    book.begin(ref(1), {}, {});
    book.add(lines(1, 0, limits::log_lines_per_attempt_max + 3));
    const auto id = book.take(all, bytes);
    BOOST_REQUIRE(book.batch(id).size() == 1U);
    BOOST_TEST(book.batch(id)[0].logs.size() == limits::log_lines_per_attempt_max);
    BOOST_TEST(book.batch(id)[0].logs[0].sequence == 3U);
}

BOOST_AUTO_TEST_CASE(lines_of_a_broken_call_come_before_those_that_followed) {
    cc::report_book book;
    book.begin(ref(1), {}, {});
    book.add(lines(1, 0, 2));
    book.take(all, bytes);
    book.add(lines(1, 2, 1));
    book.put_back_all();
    attempt_report last{.ref = ref(1), .outcome = attempt_outcome{}};
    book.add(std::move(last));
    const auto& batch = book.batch(book.take(all, bytes));
    BOOST_REQUIRE(batch.size() == 1U);
    BOOST_REQUIRE(batch[0].logs.size() == 3U);
    for (std::uint64_t i = 0; i < 3; ++i) BOOST_TEST(batch[0].logs[i].sequence == i);
    BOOST_TEST(batch[0].outcome.has_value());
}

BOOST_AUTO_TEST_CASE(outcomes_put_back_keep_their_order_and_stay_held) {
    cc::report_book book;
    for (std::uint64_t n = 1; n <= 6; ++n) book.add_outcome(ref(n), {});
    book.take(2, bytes);
    book.take(2, bytes);
    BOOST_TEST(book.unacknowledged() == 6U);
    BOOST_TEST(book.held().size() == 6U);
    book.put_back_all();
    const auto& batch = book.batch(book.take(all, bytes));
    BOOST_REQUIRE(batch.size() == 6U);
    for (std::uint64_t n = 1; n <= 6; ++n) BOOST_TEST((batch[n - 1].ref == ref(n)));
}

BOOST_AUTO_TEST_CASE(nothing_is_said_of_an_attempt_after_its_outcome) {
    cc::report_book book;
    book.begin(ref(1), {}, {});
    book.add({.ref = ref(1), .outcome = attempt_outcome{}});
    book.add({.ref = ref(1), .outcome = attempt_outcome{}});
    book.add(lines(1, 0, 1));
    BOOST_TEST(book.unacknowledged() == 1U);
    BOOST_TEST(!book.has_lines());
}

BOOST_AUTO_TEST_CASE(a_batch_is_bounded_by_bytes_but_never_empty) {
    cc::report_book book;
    for (std::uint64_t n = 1; n <= 3; ++n) book.add_outcome(ref(n), {.result = std::string(bytes, 'x')});
    for (int i = 0; i < 3; ++i) BOOST_TEST(book.batch(book.take(all, bytes)).size() == 1U);
    BOOST_TEST(!book.has_outcomes());
}

BOOST_AUTO_TEST_CASE(a_stale_report_ends_the_attempt_that_it_is_of) {
    cc::report_book book;
    book.begin(ref(1), {}, {});
    book.begin(ref(2), {}, {});
    book.add(lines(1, 0, 1));
    const auto id = book.take(all, bytes);
    std::vector<attempt_ref> gone;
    book.answered(id, {{errc::stale_attempt, {}}}, [&](const attempt_ref& r) { gone.push_back(r); });
    BOOST_REQUIRE(gone.size() == 1U);
    BOOST_TEST((gone[0] == ref(1)));
    BOOST_TEST(book.running() == 1U);
}

BOOST_AUTO_TEST_CASE(a_missing_answer_is_asked_for_again) {
    cc::report_book book;
    book.add_outcome(ref(1), {});
    book.add_outcome(ref(2), {});
    BOOST_TEST(book.answered(book.take(all, bytes), {{errc::ok, {}}}, nothing));
    BOOST_TEST(book.unacknowledged() == 1U);
    BOOST_TEST(book.totals().acknowledged == 1U);
}

BOOST_AUTO_TEST_CASE(only_those_that_said_so_are_alive) {
    cc::report_book book;
    book.begin(ref(1), milliseconds{100}, {});
    book.begin(ref(2), milliseconds{50}, {});
    book.begin(ref(3), {}, {});
    BOOST_TEST(book.heartbeats(true).size() == 2U);
    BOOST_TEST(book.heartbeats(true).empty());
    BOOST_TEST(book.heartbeats(false).size() == 2U);
    book.alive(ref(2));
    BOOST_TEST((book.heartbeats(true) == std::vector<attempt_ref>{ref(2)}));
    BOOST_TEST(book.shortest_heartbeat().count() == 50);
}

BOOST_AUTO_TEST_CASE(quantiles_are_by_nearest_rank) {
    std::vector<double> samples;
    for (int i = 100; i >= 1; --i) samples.push_back(i);
    const auto q = cc::quantiles_of(samples);
    BOOST_TEST(q.p50 == 50.0);
    BOOST_TEST(q.p99 == 99.0);
    BOOST_TEST(q.max == 100.0);
    BOOST_TEST(cc::quantiles_of({}).count == 0U);
    BOOST_TEST(cc::quantiles_of({3.0}).p999 == 3.0);
}

BOOST_AUTO_TEST_SUITE_END()
