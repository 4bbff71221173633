// The rules of the house, read off its files: who may include whom, how long a file may be, what no file says.
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/source_file.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 7> order{"schema",  "persistence", "actors", "cluster",
                                                "runtime", "bench",       "tests"};
constexpr std::size_t lines_max = 450;

struct source_file {
    std::string path; // from the root
    std::string text;
};

std::vector<source_file> source_files() {
    const fs::path root{coppice::testing::source_file("")};
    std::vector<source_file> files;
    for (const std::string_view folder : order)
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            const auto extension = entry.path().extension();
            if (extension != ".cpp" && extension != ".hpp" && extension != ".capnp") continue;
            std::ostringstream text;
            text << std::ifstream{entry.path()}.rdbuf();
            files.push_back({fs::relative(entry.path(), root).string(), text.str()});
        }
    return files;
}

std::size_t rank_of(std::string_view path) {
    const auto* found = std::ranges::find(order, path.substr(0, path.find('/')));
    return static_cast<std::size_t>(found - order.begin());
}

std::vector<std::string> includes(const source_file& file) {
    std::vector<std::string> found;
    std::istringstream lines{file.text};
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("#include ")) continue;
        const auto begin = line.find_first_of("\"<") + 1;
        found.push_back(line.substr(begin, line.find_last_of("\">") - begin));
    }
    return found;
}

bool is_actor_file(const std::string& path) {
    return path.find("_actor.") != std::string::npos || path.find("_actor_") != std::string::npos ||
           path == "actors/messages.hpp" || path == "actors/interfaces.hpp";
}

} // namespace

BOOST_AUTO_TEST_SUITE(layers)

BOOST_AUTO_TEST_CASE(a_folder_uses_only_those_to_its_left) {
    for (const source_file& file : source_files())
        for (const std::string& include : includes(file)) {
            if (rank_of(include) == order.size()) continue; // not ours
            const bool test_of_test = file.path.starts_with("tests/") || file.path.starts_with("bench/");
            BOOST_CHECK_MESSAGE(test_of_test || rank_of(include) <= rank_of(file.path),
                                file.path << " includes " << include);
        }
}

BOOST_AUTO_TEST_CASE(lmdb_caf_and_kj_stay_where_they_belong) {
    for (const source_file& file : source_files()) {
        if (file.path.starts_with("tests/") || file.path.starts_with("bench/")) continue;
        const bool runtime = file.path.starts_with("runtime/");
        const bool cluster = file.path.starts_with("cluster/");
        for (const std::string& include : includes(file)) {
            if (include == "lmdb.h")
                BOOST_CHECK_MESSAGE(file.path.starts_with("persistence/"), file.path << " uses LMDB");
            if (include.starts_with("caf/"))
                BOOST_CHECK_MESSAGE(runtime || cluster || is_actor_file(file.path), file.path << " uses CAF");
            if (include.starts_with("kj/async") || include.starts_with("capnp/rpc"))
                BOOST_CHECK_MESSAGE(runtime, file.path << " uses KJ's event loop");
            if (include.starts_with("curl/")) BOOST_CHECK_MESSAGE(cluster, file.path << " uses libcurl");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_can_be_read_in_one_sitting) {
    for (const source_file& file : source_files()) {
        const auto lines = static_cast<std::size_t>(std::ranges::count(file.text, '\n'));
        BOOST_CHECK_MESSAGE(lines <= lines_max, file.path << " has " << lines << " lines");
    }
}

BOOST_AUTO_TEST_CASE(no_file_promises_what_is_not_there) {
    const std::array<std::string, 2> words{std::string{"TO"} + "DO", std::string{"FIX"} + "ME"};
    for (const source_file& file : source_files())
        for (const std::string& word : words)
            BOOST_CHECK_MESSAGE(file.text.find(word) == std::string::npos, file.path << " says " << word);
}

BOOST_AUTO_TEST_SUITE_END()
