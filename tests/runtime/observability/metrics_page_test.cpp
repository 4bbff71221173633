#include <boost/test/unit_test.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/persistence/store_fixture.hpp"
#include "tests/runtime/observability/commit_world.hpp"
#include "tests/runtime/observability/metrics_text.hpp"
#include "tests/source_file.hpp"

using namespace coppice;
using namespace coppice::testing;

namespace {

struct family {
    std::string type;
    std::set<std::string> labels;
    bool operator==(const family&) const = default;
};
std::ostream& operator<<(std::ostream& to, const family& f) {
    to << f.type << " {";
    for (const std::string& l : f.labels) to << ' ' << l;
    return to << " }";
}
using families = std::map<std::string, family>;

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(' ');
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Rows of the page whose first cell is a name in backticks; every cell must say something, but the labels.
families families_of_page() {
    std::ifstream page{source_file("runtime/observability/METRICS.md")};
    BOOST_REQUIRE(page.is_open());
    families found;
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with("| `")) continue;
        std::vector<std::string> cells;
        std::istringstream in{line.substr(1)};
        for (std::string cell; std::getline(in, cell, '|');) cells.push_back(trimmed(cell));
        BOOST_REQUIRE_MESSAGE(cells.size() == 5, line);
        for (const std::size_t told : {0, 1, 3, 4}) BOOST_TEST(!cells[told].empty(), line);
        family f{cells[1], {}};
        std::istringstream labels{cells[2]};
        for (std::string label; std::getline(labels, label, ',');) f.labels.insert(trimmed(label));
        const std::string name = cells[0].substr(1, cells[0].size() - 2);
        BOOST_TEST(found.emplace(name, f).second, name << " stands twice");
    }
    return found;
}

// Of a text: every family, with the labels of its series ("le" of a histogram is none).
families families_of_text(const std::string& text) {
    families found;
    std::istringstream in{text};
    std::string name;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words{line};
        std::string hash, word;
        if (line.starts_with("# TYPE ")) {
            words >> hash >> word >> name;
            words >> found[name].type;
        } else if (!line.starts_with('#')) {
            BOOST_REQUIRE(line.starts_with(name));
            const std::size_t open = line.find('{');
            for (std::size_t at = open; at != std::string::npos && line[at] != '}';) {
                const std::size_t equals = line.find('=', at);
                const std::string label = line.substr(at + 1, equals - at - 1);
                if (label != "le") found[name].labels.insert(label);
                at = line.find('"', equals + 2) + 1;
            }
        }
    }
    return found;
}

// A node with everything there is to look at, where everything has happened once.
class full_node {
  public:
    full_node() {
        world_.declare(1, 1);
        world_.attach(1);
        using outcome = cmd::Report::Outcome;
        world_.submit(1, 1);
        world_.report(world_.last()->starts.at(0).work.ref, outcome::FAILED, errc::exit_status);
        world_.submit(1, 1);
    }
    std::string scrape() { return world_.metrics().render(); }
    commit_world& world() { return world_; }

    static constexpr std::size_t connections = 3;

  private:
    metrics_sources sources() {
        metrics_sources s;
        s.control = control_.get();
        s.gate = gate_;
        s.tree = tree_;
        s.actors = {"node/journal-data", "node/never"};
        s.rpc_connections = [] { return connections; };
        return s;
    }

    std::unique_ptr<store> control_ = make_memory_store();
    std::shared_ptr<inflight_gate> gate_ = std::make_shared<inflight_gate>();
    std::shared_ptr<actor_tree> tree_ = std::make_shared<actor_tree>("node");
    tree_entry journal_{tree_->root(), "journal-data", "worker"};
    commit_world world_{{}, sources()};

  public:
    inflight_gate& gate() { return *gate_; }
    tree_entry& journal_card() { return journal_; }
    tree_handle root() { return tree_->root(); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(metrics_page)

BOOST_AUTO_TEST_CASE(the_page_and_the_scrape_name_the_same_families) {
    full_node node;
    const families told = families_of_page();
    const families given = families_of_text(node.scrape());
    for (const auto& [name, f] : given) {
        const auto found = told.find(name);
        BOOST_TEST((found != told.end()), name << " is not in METRICS.md");
        if (found != told.end()) BOOST_TEST((found->second == f), name << ": " << found->second << ", given " << f);
    }
    for (const auto& [name, f] : told) BOOST_TEST(given.contains(name), name << " is only in METRICS.md");
    BOOST_TEST(given.size() > 30U);
}

BOOST_AUTO_TEST_CASE(promtool_finds_nothing_to_say_about_a_scrape) {
    full_node node;
    const promtool_verdict verdict = promtool(node.scrape());
    BOOST_TEST(verdict.status == 0, verdict.said);
    BOOST_TEST(verdict.said == "");
}

BOOST_AUTO_TEST_CASE(what_others_keep_is_read_at_each_scrape) {
    full_node node;
    BOOST_REQUIRE(node.gate().enter(10));
    BOOST_REQUIRE(!node.gate().enter(limits::inflight_bytes_max + 1) || !node.gate().enter(1));
    node.world().metrics().login_refused();
    node.journal_card()->message_enqueued();
    node.journal_card()->message_enqueued();
    node.journal_card()->message_handled();
    node.journal_card()->count_restart();
    const auto seen = samples_of(node.scrape());
    BOOST_TEST(seen.at("operations_proposals_in_flight") >= 1);
    BOOST_TEST(seen.at("operations_proposals_refused_total") == 1);
    BOOST_TEST(seen.at("operations_login_refusals_total") == 1);
    BOOST_TEST(seen.at("operations_rpc_connections") == full_node::connections);
    BOOST_TEST(seen.at("operations_actor_mailbox_messages{actor=\"node/journal-data\"}") == 1);
    BOOST_TEST(seen.at("operations_actor_messages_total{actor=\"node/journal-data\"}") == 1);
    BOOST_TEST(seen.at("operations_actor_restarts_total{actor=\"node/journal-data\"}") == 1);
    BOOST_TEST(sum_of(seen, "operations_actor_restarts_total") == 1); // "node/never" has no actor
    BOOST_TEST(seen.contains("operations_store_used_bytes{store=\"control\"}"));
    BOOST_TEST(seen.at("process_anonymous_memory_bytes") > 0);
}

BOOST_AUTO_TEST_CASE(a_reader_that_stays_shows_in_the_scrape) {
    const scratch_directory directory;
    const auto data = open_or_fail(options_for(directory.path()));
    node_metrics metrics{{.data = data.get(), .shard = metrics_shard}};
    const auto reader = data->begin_read();
    const auto change = data->begin_write();
    change->put(table::events, as_bytes_view("k"), as_bytes_view("v"));
    BOOST_REQUIRE(change->commit().has_value());
    const auto seen = samples_of(metrics.render());
    BOOST_TEST(seen.at("operations_store_readers{store=\"data\"}") == 1);
    BOOST_TEST(seen.at("operations_store_oldest_reader_lag{store=\"data\"}") == 1);
    BOOST_TEST(seen.at("operations_store_map_bytes{store=\"data\"}") == small_map);
    BOOST_TEST(seen.at("operations_store_used_bytes{store=\"data\"}") > 0);
}

BOOST_AUTO_TEST_SUITE_END()
