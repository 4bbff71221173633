// Lines of a log in an object store: what was stored comes back, from any place on.
#include "runtime/results/stored_log.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <future>

#include "runtime/results/directory_objects.hpp"
#include "runtime/results/line_json.hpp"
#include "runtime/results/result_name.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

struct log_world : world {
    log_world() {
        declare_usual();
        attach(worker_id{1}, {"build"}, 10);
        ref = {submit(), 1};
        auto objects = directory_objects::open(files.path() / "results");
        BOOST_REQUIRE(objects);
        desk = std::make_shared<result_desk>(std::move(*objects), result_desk::settings{},
                                             logger{{.level = log_level::off}, make_descriptor_sink(2)});
    }
    ~log_world() { desk->stop(); }
    void say(std::uint64_t from, std::uint64_t to) {
        report_op r;
        for (std::uint64_t n = from; n < to; ++n) r.lines.push_back(n);
        report(ref.job, outcome::NONE, r);
    }
    expected<stored_lines> store(std::uint64_t below) {
        std::promise<expected<stored_lines>> promise;
        store_lines(data(), desk, ref, below, [&](expected<stored_lines> r) { promise.set_value(std::move(r)); });
        return promise.get_future().get();
    }
    expected<std::vector<log_line>> fetch(std::uint64_t from) const {
        std::promise<expected<std::vector<log_line>>> promise;
        fetch_lines(desk, ref, from, [&](expected<std::vector<log_line>> r) { promise.set_value(std::move(r)); });
        return promise.get_future().get();
    }
    std::filesystem::path file(std::uint64_t last) const {
        return files.path() / "results" / lines_name(ref, last);
    }
    std::size_t count_files() const {
        std::size_t count = 0;
        for (const auto& each : std::filesystem::recursive_directory_iterator(files.path() / "results"))
            count += each.is_regular_file() ? 1 : 0;
        return count;
    }

    scratch_directory files;
    std::shared_ptr<result_desk> desk;
    attempt_ref ref;
};

} // namespace

BOOST_AUTO_TEST_SUITE(stored_log)

BOOST_AUTO_TEST_CASE(a_name_is_a_place_and_no_other_text_is_one) {
    const attempt_ref ref{job_id::make(1'800'000'000'000, test_shard, tenant_id{3}, 7), 12};
    const std::string name = lines_name(ref, 1499);
    BOOST_TEST(is_object_name(name));
    const auto place = read_lines_name(name);
    BOOST_REQUIRE(place.has_value());
    BOOST_TEST((place->ref == ref && place->last == 1499U));
    BOOST_TEST(!read_result_name(name).has_value());
    for (const std::string& bad : {result_name(ref), name + "x", name + "0", lines_prefix(ref), name.substr(1),
                                   lines_prefix(ref) + "1499", lines_prefix(ref) + "-0000000000000001499"})
        BOOST_TEST(!read_lines_name(bad).has_value(), bad);
    BOOST_TEST(lines_name(ref, 99) < lines_name(ref, 100));
    BOOST_TEST(lines_prefix(ref) < lines_name(ref, 0));
}

BOOST_AUTO_TEST_CASE(a_line_is_read_as_it_was_written_and_nothing_else_is_one) {
    const log_line line{7, instant{microseconds{1'800'000'000'000'123}}, log_stream::err, "say \"\u00fc\"\t\x01"};
    const auto read = log_line_from(to_ndjson(line));
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(
        (read->sequence == 7U && read->at == line.at && read->stream == line.stream && read->text == line.text));
    for (const std::string bad :
         {"", "{}", "[]", "7", "nonsense", R"({"sequence":-1,"at_us":1,"stream":1,"text":""})",
          R"({"sequence":1,"at_us":1,"stream":3,"text":""})", R"({"sequence":1.5,"at_us":1,"stream":1,"text":""})",
          R"({"sequence":1,"at_us":1,"stream":1,"text":7})", R"({"sequence":1,"at_us":1,"stream":1})"})
        BOOST_TEST((log_line_from(bad).error().code == errc::store_damaged), bad);
    BOOST_TEST(!log_line_from(std::string(1'000'000, '[')).has_value());
}

BOOST_AUTO_TEST_CASE(lines_come_back_from_any_place_on) {
    log_world w;
    w.say(0, 300);
    const auto first = w.store(200);
    BOOST_REQUIRE(first.has_value());
    BOOST_TEST(first->below == 200U);
    BOOST_TEST(first->bytes == std::filesystem::file_size(w.file(199)));
    w.run({lines_stored_op{w.ref.job, 1, first->below, first->bytes}});
    w.say(300, 500);
    BOOST_REQUIRE(w.store(400).has_value());
    for (const std::uint64_t from : {0, 1, 199, 200, 399}) {
        const auto lines = w.fetch(from);
        BOOST_REQUIRE(lines.has_value());
        BOOST_REQUIRE(!lines->empty());
        BOOST_TEST(lines->front().sequence == from);
        BOOST_TEST(lines->back().sequence == (from < 200 ? 199U : 399U));
        BOOST_TEST(!lines->front().text.empty());
    }
    BOOST_TEST(w.fetch(400)->empty());
    w.ref.attempt = 2; // another attempt has its own
    BOOST_TEST(w.fetch(0)->empty());
    BOOST_TEST((w.store(400).error().code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(what_is_not_as_it_was_stored_is_said_to_be_damaged) {
    log_world w;
    w.say(0, 300);
    BOOST_REQUIRE(w.store(200).has_value());
    std::ofstream{w.file(199), std::ios::app} << "half a li";
    BOOST_TEST((w.fetch(0).error().code == errc::store_damaged));
    std::ofstream{w.file(199)} << std::string(3'000'000, ' ');
    BOOST_TEST(!w.fetch(0).has_value()); // more than an object has
}

BOOST_AUTO_TEST_CASE(all_that_a_job_has_is_dropped_and_nothing_of_another) {
    log_world w;
    w.say(0, 300);
    BOOST_REQUIRE(w.store(100).has_value());
    BOOST_REQUIRE(w.store(200).has_value());
    const job_id dropped = w.ref.job;
    w.ref = {w.submit(), 1};
    w.report(w.ref.job, outcome::NONE, {.lines = {0, 1, 2}});
    BOOST_REQUIRE(w.store(3).has_value());
    BOOST_TEST(w.count_files() == 3U);
    drop_lines(w.desk, {&dropped, 1});
    BOOST_TEST(w.fetch(0)->size() == 3U); // what the store was asked for before this is done by now
    BOOST_TEST(w.count_files() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
