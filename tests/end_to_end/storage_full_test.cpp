// A whole node whose disk or whose map is full: new work is refused with storage_full, nothing that was
// acknowledged is lost, and with space back it goes on in the same process. tests/persistence/full_test.cpp has the
// store alone.
#include <sys/mount.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

// A small disk of its own; without the right to mount, `mounted` is false.
class small_disk {
  public:
    explicit small_disk(const char* size)
        : mounted_(::mount("tmpfs", (path_ / "").c_str(), "tmpfs", 0, size) == 0) {}
    small_disk(const small_disk&) = delete;
    small_disk& operator=(const small_disk&) = delete;
    ~small_disk() {
        if (mounted_) ::umount2((path_ / "").c_str(), MNT_DETACH);
    }
    bool mounted() const { return mounted_; }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    void write_ballast(std::size_t bytes) const { path_.write("ballast", std::string(bytes, 'x')); }
    void remove_ballast() const { std::filesystem::remove(path_ / "ballast"); }

  private:
    scratch_directory path_;
    bool mounted_;
};

// Otherwise the case is skipped, and counted as such.
boost::test_tools::assertion_result can_mount(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result may{small_disk("size=1m").mounted()};
    may.message() << "no tmpfs could be mounted, which needs root";
    return may;
}

// A node with one slot, so that all but the first job wait.
struct full_node {
    explicit full_node(const std::string& map_bytes, const std::filesystem::path& data = {})
        : at({.data = data,
              .flags = {"--config",
                        files.write("node.yaml", "store: {map_bytes: " + map_bytes + "}\nexec: {slots: 1}\n")}}) {}

    outcome submit(const json& payload) const {
        return at.run({"job", "submit", "--tenant", "default", "--type", "exec", "--payload", "-"}, payload.dump());
    }
    outcome submit_large() const { return submit({{"argv", {"wc", "-c"}}, {"stdin", std::string(200'000, 'x')}}); }
    // The job that holds the slot until there is a file "go".
    std::string hold_slot(const std::string& before, const std::string& after) const {
        const std::string wait = "while [ ! -e " + (files / "go").string() + " ]; do sleep 0.05; done; ";
        const outcome o = submit({{"argv", {"sh", "-c", before + wait + after}}});
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        std::string id = o.out.substr(0, 36);
        BOOST_REQUIRE(eventually([&] { return job(id)["status"] == "running"; }));
        return id;
    }
    // Submits until it is refused; the ids that it got.
    std::vector<std::string> fill() const {
        std::vector<std::string> ids;
        for (;;) {
            const outcome o = submit_large();
            if (o.status != 0) {
                check_refused(o);
                return ids;
            }
            ids.push_back(o.out.substr(0, 36));
            BOOST_REQUIRE_LT(ids.size(), 1000U);
        }
    }
    void check_refused(const outcome& o) const {
        BOOST_TEST_CONTEXT(o.err) {
            BOOST_TEST(o.status == 1);
            BOOST_TEST(o.out == "");
            BOOST_TEST(o.err.starts_with("coppice: job submit: storage_full: "));
            BOOST_TEST(o.err.find("hint: make room") != std::string::npos);
        }
    }
    std::vector<json> jobs(const std::vector<std::string>& ids) const {
        std::vector<std::string> arguments{"job", "get", "-o", "json"};
        arguments.insert(arguments.end(), ids.begin(), ids.end());
        const outcome o = at.run(std::move(arguments));
        BOOST_REQUIRE_MESSAGE(o.status == 0, o.err);
        std::vector<json> views;
        std::istringstream lines{o.out};
        for (std::string line; std::getline(lines, line);) views.push_back(json::parse(line));
        BOOST_REQUIRE_EQUAL(views.size(), ids.size());
        return views;
    }
    json job(const std::string& id) const { return jobs({id}).front(); }
    void check_all_succeeded(const std::vector<std::string>& ids) const {
        BOOST_TEST(eventually([&] {
            return std::ranges::all_of(jobs(ids), [](const json& j) { return j["status"] == "succeeded"; });
        }));
        for (const json& j : jobs(ids)) BOOST_TEST(j["attempts"] == 1);
    }
    void check_store() const {
        const outcome check = at.run({"check"});
        BOOST_TEST_CONTEXT(check.out << check.err) BOOST_TEST(check.status == 0);
    }
    void let_go() const { files.write("go", ""); }

    scratch_directory files;
    node at;
};

} // namespace

BOOST_AUTO_TEST_SUITE(storage_full)

BOOST_AUTO_TEST_CASE(a_full_disk_refuses_new_work_loses_none_and_recovers_by_itself,
                     *boost::unit_test::precondition(can_mount)) {
    const small_disk disk("size=40m");
    BOOST_REQUIRE(disk.mounted());
    disk.write_ballast(24 << 20);
    full_node n("64MiB", disk / "data");
    const std::string running = n.hold_slot("", "echo done");
    const std::vector<std::string> ids = n.fill();
    BOOST_REQUIRE_GT(ids.size(), 10U);
    for (const json& waiting : n.jobs(ids)) BOOST_TEST(waiting["status"] == "queued");
    n.let_go(); // its end may find no room now, and is told again later; small changes may still fit freed pages
    n.check_refused(n.submit_large());
    n.check_store();

    disk.remove_ballast();
    // Nobody asks for anything: what ended is recorded, and what waits starts.
    n.check_all_succeeded({running});
    n.check_all_succeeded(ids);
    BOOST_TEST(n.at.run({"job", "result", running}).out == "done\n");
    BOOST_TEST(n.at.run({"job", "result", ids.back()}).out == "200000\n");
    const outcome more = n.submit_large();
    BOOST_TEST_CONTEXT(more.err) BOOST_REQUIRE_EQUAL(more.status, 0);
    n.check_all_succeeded({more.out.substr(0, 36)});
    n.check_store();

    BOOST_REQUIRE_EQUAL(n.at.kill(SIGKILL), -SIGKILL);
    n.at.start_again();
    n.check_all_succeeded(ids);
    n.check_store();
}

BOOST_AUTO_TEST_CASE(a_full_map_refuses_new_work_records_what_ends_and_recovers_when_pages_are_freed) {
    full_node n("16MiB");
    // Its old log lines are what frees pages: an attempt keeps its newest thousand.
    const std::string long_lines =
        "l=$(head -c 8000 /dev/zero | tr '\\0' x); i=0; while [ $i -lt 200 ]; do echo $l; "
        "i=$((i+1)); [ $((i%10)) -ne 0 ] || sleep 0.2; done >&2; echo ready >&2; ";
    const std::string short_lines = "i=0; while [ $i -lt 1100 ]; do echo $i; i=$((i+1)); done >&2; echo done";
    const std::string running = n.hold_slot(long_lines, short_lines);
    BOOST_REQUIRE(eventually([&] {
        return n.at.run({"job", "logs", running}).out.find(" err ready\n") != std::string::npos;
    }));
    const std::vector<std::string> ids = n.fill();
    BOOST_REQUIRE_GT(ids.size(), 10U);
    n.check_refused(n.submit_large());
    n.check_store();

    n.let_go(); // its lines and its end are not new work: the reserve is there for them
    n.check_all_succeeded({running});
    n.check_all_succeeded(ids);
    BOOST_TEST(n.at.run({"job", "result", running}).out == "done\n");
    const outcome more = n.submit_large();
    BOOST_TEST_CONTEXT(more.err) BOOST_TEST(more.status == 0);
    n.check_store();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
