// Both kinds of object store under the same cases, and what is each one's own.
#include "runtime/results/object_store.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <future>

#include "runtime/results/directory_objects.hpp"
#include "runtime/results/s3_list.hpp"
#include "runtime/results/s3_objects.hpp"
#include "tests/persistence/store_fixture.hpp"
#include "tests/runtime/results/s3_server.hpp"

namespace coppice::testing {
namespace {

template <class T, class Call>
expected<T> wait_for(Call&& call) {
    auto promise = std::make_shared<std::promise<expected<T>>>();
    auto answer = promise->get_future();
    call([promise](expected<T> given) { promise->set_value(std::move(given)); });
    BOOST_REQUIRE(answer.wait_for(std::chrono::seconds{60}) == std::future_status::ready);
    return answer.get();
}

struct blocking {
    object_store& store;
    expected<void> put(const std::string& name, const std::string& bytes) const {
        return wait_for<void>([&](auto then) { store.put(name, bytes, then); });
    }
    expected<std::string> get(const std::string& name, std::size_t most = 1000) const {
        return wait_for<std::string>([&](auto then) { store.get(name, most, then); });
    }
    expected<void> remove(const std::string& name) const {
        return wait_for<void>([&](auto then) { store.remove(name, then); });
    }
    expected<object_store::page> list(const std::string& after = {}) const {
        return wait_for<object_store::page>([&](auto then) { store.list(after, then); });
    }
    std::vector<std::string> names() const {
        std::vector<std::string> found;
        std::string after;
        for (bool more = true; more;) {
            const auto page = list(after);
            BOOST_REQUIRE(page);
            for (const auto& each : page->entries) found.push_back(each.name);
            more = page->more;
            if (more) after = page->entries.back().name;
        }
        return found;
    }
};

s3_options options_of(const s3_server& server) {
    return {.endpoint = server.url(),
            .region = "eu-test-1",
            .bucket = "results",
            .prefix = "a/b/",
            .access_key = "AKTEST",
            .secret_key = "secret/with+signs",
            .ca = {}};
}

void does_what_a_store_does(object_store& store) {
    const blocking s{store};
    BOOST_TEST((s.get("1/aa/x-1").error().code == errc::not_found));
    BOOST_REQUIRE(s.put("1/aa/x-1", "one"));
    BOOST_TEST((s.get("1/aa/x-1") == expected<std::string>{"one"}));
    BOOST_REQUIRE(s.put("1/aa/x-1", std::string("two\0three", 9)));
    BOOST_TEST((s.get("1/aa/x-1") == expected<std::string>{std::string("two\0three", 9)}));
    BOOST_REQUIRE(s.put("1/aa/empty", ""));
    BOOST_TEST((s.get("1/aa/empty") == expected<std::string>{""}));
    BOOST_TEST((s.get("1/aa/x-1", 8).error().code == errc::result_too_large));
    const std::string large(3'000'000, 'l');
    BOOST_REQUIRE(s.put("10/bb/y-1", large));
    BOOST_TEST((s.get("10/bb/y-1", large.size()) == expected<std::string>{large}));
    BOOST_REQUIRE(s.put("2/cc/z-1", "z"));
    const std::vector<std::string> all{"1/aa/empty", "1/aa/x-1", "10/bb/y-1", "2/cc/z-1"};
    BOOST_TEST(s.names() == all, boost::test_tools::per_element());
    const auto later = s.list("1/aa/x-1");
    BOOST_REQUIRE(later);
    BOOST_TEST(later->entries.size() == 2U);
    BOOST_TEST(s.list("10/bb/y-2")->entries.size() == 1U);
    BOOST_TEST(s.list("3")->entries.empty());
    BOOST_TEST(s.remove("1/aa/x-1").has_value());
    BOOST_TEST(s.remove("1/aa/x-1").has_value());
    BOOST_TEST((s.get("1/aa/x-1").error().code == errc::not_found));
}

} // namespace

BOOST_AUTO_TEST_SUITE(object_stores)

BOOST_AUTO_TEST_CASE(a_directory_and_a_bucket_do_the_same) {
    const scratch_directory files;
    auto directory = directory_objects::open(files.path() / "results");
    BOOST_REQUIRE(directory);
    does_what_a_store_does(**directory);
    const s3_server server;
    s3_objects bucket{options_of(server)};
    does_what_a_store_does(bucket);
    BOOST_TEST(server.refusals().empty());
    BOOST_TEST(server.objects().contains("a/b/2/cc/z-1"));
}

BOOST_AUTO_TEST_CASE(names_stay_within_the_store) {
    for (const char* good : {"owner", "1/aa/0199-1", "a.b/c-d"}) BOOST_TEST(is_object_name(good), good);
    for (const char* bad :
         {"", "/", "/a", "a/", "a//b", "..", "a/../b", "a/.b", ".hidden", "A", "a b", "a\n", "a_b", "a%2f"})
        BOOST_TEST(!is_object_name(bad), bad);
    const scratch_directory files;
    auto directory = directory_objects::open(files.path() / "results");
    const blocking s{**directory};
    BOOST_TEST((s.put("../outside", "x").error().code == errc::invalid_argument));
    BOOST_TEST(!std::filesystem::exists(files.path() / "outside"));
    BOOST_TEST((s.get("../outside").error().code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_directory_is_listed_in_pages_and_what_a_crash_left_is_gone) {
    const scratch_directory files;
    const std::filesystem::path root = files.path() / "results";
    for (int tenant = 1; tenant <= 3; ++tenant)
        for (int i = 0; i < 700; ++i) {
            const auto folder = root / std::to_string(tenant) / (i % 2 == 0 ? "aa" : "bb");
            std::filesystem::create_directories(folder);
            std::ofstream{folder / ("x" + std::to_string(1000 + i))} << "x";
        }
    std::filesystem::create_directories(root / "incoming");
    std::ofstream{root / "incoming" / "left"} << "half";
    std::ofstream{root / "Not A Name"} << "somebody's";
    std::filesystem::create_symlink("/etc/passwd", root / "1" / "link");
    auto directory = directory_objects::open(root);
    BOOST_REQUIRE(directory);
    BOOST_TEST(!std::filesystem::exists(root / "incoming" / "left"));
    const blocking s{**directory};
    const auto names = s.names();
    BOOST_TEST(names.size() == 2100U);
    BOOST_TEST(std::ranges::is_sorted(names));
    BOOST_TEST(s.list()->entries.size() == object_store::per_page);
    BOOST_TEST((s.get("1/link").error().code == errc::unavailable)); // nor is a link followed
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_written_says_so) {
    const scratch_directory files;
    std::ofstream{files.path() / "file"} << "x";
    const auto opened = directory_objects::open(files.path() / "file" / "results");
    BOOST_REQUIRE(!opened);
    BOOST_TEST(opened.error().detail.find("cannot make") != std::string::npos);
    auto directory = directory_objects::open(files.path() / "results");
    BOOST_REQUIRE(directory);
    std::filesystem::remove_all(files.path() / "results");
    const auto put = blocking{**directory}.put("1/aa/x", "x");
    BOOST_REQUIRE(!put);
    BOOST_TEST((put.error().code == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_bucket_is_listed_in_pages) {
    s3_server server;
    server.page = 7;
    for (int i = 0; i < 30; ++i) server.put("a/b/1/aa/x" + std::to_string(100 + i), {.bytes = "x"});
    server.put("a/bb", {.bytes = "another prefix"});
    s3_objects bucket{options_of(server)};
    BOOST_TEST(blocking{bucket}.names().size() == 30U);
    BOOST_TEST(server.refusals().empty());
}

BOOST_AUTO_TEST_CASE(a_service_that_has_trouble_is_asked_three_times) {
    s3_server server;
    s3_objects bucket{options_of(server)};
    server.fail(2);
    BOOST_TEST(blocking{bucket}.put("1/aa/x", "x").has_value());
    BOOST_TEST(server.requests() == 3U);
    server.fail(-1);
    const auto put = blocking{bucket}.put("1/aa/y", "y");
    BOOST_REQUIRE(!put);
    BOOST_TEST((put.error().code == errc::unavailable));
    BOOST_TEST(put.error().detail.find("status 503: SlowDown: later") != std::string::npos, put.error().detail);
    BOOST_TEST(server.requests() == 6U);
}

BOOST_AUTO_TEST_CASE(what_is_signed_with_another_key_is_not_taken) {
    const s3_server server;
    auto options = options_of(server);
    options.secret_key = "another";
    s3_objects bucket{options};
    const auto put = blocking{bucket}.put("1/aa/x", "x");
    BOOST_REQUIRE(!put);
    BOOST_TEST(put.error().detail.find("status 403: SignatureDoesNotMatch") != std::string::npos,
               put.error().detail);
    BOOST_REQUIRE(server.refusals().size() == 1U);
    BOOST_TEST(server.refusals().front() == "another signature");
    BOOST_TEST(server.objects().empty());
    s3_objects nowhere{{.endpoint = "http://127.0.0.1:1",
                        .region = "r",
                        .bucket = "b",
                        .prefix = {},
                        .access_key = "a",
                        .secret_key = "s",
                        .ca = {}}};
    BOOST_TEST((blocking{nowhere}.get("1/aa/x").error().code == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_list_that_makes_no_sense_is_refused) {
    const auto item = [](const std::string& inside) {
        return "<ListBucketResult><IsTruncated>true</IsTruncated><Contents>" + inside +
               "</Contents></ListBucketResult>";
    };
    const std::string time = "<LastModified>2030-01-01T00:00:00.000Z</LastModified>";
    const auto good = read_s3_list(item("<Key>p/x</Key>" + time), "p/");
    BOOST_REQUIRE(good);
    BOOST_TEST((good->more && good->entries.size() == 1 && good->entries.front().name == "x"));
    BOOST_TEST(!read_s3_list("", "p/"));
    BOOST_TEST(!read_s3_list("<html>no</html>", "p/"));
    BOOST_TEST(!read_s3_list(item("<Key>p/x</Key>"), "p/"));
    BOOST_TEST(!read_s3_list(item(time), "p/"));
    BOOST_TEST(!read_s3_list(item("<Key>q/x</Key>" + time), "p/"));
    BOOST_TEST(!read_s3_list(item("<Key>p/x</Key><LastModified>yesterday</LastModified>"), "p/"));
    BOOST_TEST(read_s3_list("<ListBucketResult><Contents><Key>p/x</Key>", "p/")->entries.empty()); // cut off
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
