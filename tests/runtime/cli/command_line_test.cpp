// Whole commands, on a console of files, without a node.
#include "runtime/cli/command_line.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "runtime/auth/jwt.hpp"
#include "runtime/auth/key_file.hpp"
#include "runtime/cli/command_serve.hpp"
#include "tests/runtime/cli/cli_fixture.hpp"

namespace coppice::cli {
namespace {

using cli_test::contains;
using cli_test::run;

// An address at which nobody listens: bound, so that nobody else does either, and never listened on.
class silent_port {
  public:
    silent_port() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        BOOST_REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        BOOST_REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        text_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    }
    ~silent_port() { ::close(fd_); }
    silent_port(const silent_port&) = delete;
    silent_port& operator=(const silent_port&) = delete;
    const std::string& text() const { return text_; }

  private:
    int fd_;
    std::string text_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(cli_command_line)

BOOST_AUTO_TEST_CASE(every_command_teaches_itself) {
    using words = std::vector<std::string>;
    const std::vector<words> commands{{"serve"},          {"apply"},           {"get"},
                                      {"job", "submit"},  {"job", "get"},      {"job", "list"},
                                      {"job", "logs"},    {"job", "result"},   {"job", "watch"},
                                      {"job", "cancel"},  {"worker"},          {"token", "issue"},
                                      {"tree"},           {"metrics"},         {"doctor"},
                                      {"bench", "jobs"},  {"bench", "submit"}, {"bench", "latency"},
                                      {"job", "redrive"}, {"job", "delete"},   {"completion"},
                                      {"job", "edit"},    {"version"},         {"top"}};
    for (words command : commands) {
        std::string typed = "coppice";
        for (const std::string& word : command) typed += " " + word;
        command.push_back("--help");
        const auto help = run(command);
        BOOST_TEST_CONTEXT(typed) {
            BOOST_TEST(help.status == 0);
            BOOST_TEST(help.err == "");
            BOOST_TEST(contains(help.out, "Example"));
            BOOST_TEST(contains(help.out.substr(help.out.find("Example")), typed));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_environment_is_taught_where_a_node_is_needed) {
    for (const char* name : {"COPPICE_SERVER", "COPPICE_TOKEN", "COPPICE_TLS_CA"}) {
        BOOST_TEST(contains(run({"--help"}).out, name));
        BOOST_TEST(contains(run({"job", "submit", "--help"}).out, name));
    }
}

BOOST_AUTO_TEST_CASE(what_is_not_a_command_line_ends_with_2_and_says_where_to_look) {
    const std::vector<std::vector<std::string>> wrong{{},
                                                      {"nonsense"},
                                                      {"job"},
                                                      {"job", "nonsense"},
                                                      {"job", "get"},
                                                      {"job", "get", "not-an-id"},
                                                      {"job", "list", "--status", "sleeping"},
                                                      {"job", "list", "--limit", "0"},
                                                      {"job", "list", "--cursor", "!"},
                                                      {"job", "submit"},
                                                      {"job", "submit", "--type", "x", "--priority", "9"},
                                                      {"job", "submit", "--type", "x", "--delay", "soon"},
                                                      {"job", "submit", "--type", "x", "--after", "y"},
                                                      {"job", "submit", "-f", "x", "--type", "y"},
                                                      {"get", "nonsense"},
                                                      {"apply"},
                                                      {"version", "-o", "yaml"},
                                                      {"worker", "--types", "a"},
                                                      {"worker", "--types", "a", "--"},
                                                      {"worker", "--", "cat"},
                                                      {"worker", "--types", "a", "cat"},
                                                      {"token", "issue", "--role", "king"},
                                                      {"token", "issue", "--role", "service"},
                                                      {"token", "issue", "--role", "sre", "--ttl", "long"}};
    for (const auto& arguments : wrong) {
        const auto outcome = run(arguments);
        std::string typed;
        for (const std::string& word : arguments) typed += word + " ";
        BOOST_TEST_CONTEXT(typed) {
            BOOST_TEST(outcome.status == 2);
            BOOST_TEST(outcome.out == "");
            BOOST_TEST(outcome.err.starts_with("coppice: "));
            BOOST_TEST(contains(outcome.err, "--help"));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_name_of_a_command_is_an_argument_like_any_other) {
    const auto outcome = run({"tree", "metrics", "--server", silent_port().text()});
    BOOST_TEST(outcome.status == 3);
    BOOST_TEST(outcome.err.starts_with("coppice: tree: unavailable"));
}

BOOST_AUTO_TEST_CASE(without_a_node_every_command_ends_with_3_and_names_the_address) {
    const silent_port nobody;
    cli_test::temporary_directory directory;
    const std::string yaml = directory.write("a.yaml", "kind: Tenant\nmetadata: {name: a}\nspec: {}\n");
    const std::string lines = directory.write("a.ndjson", "{\"type\":\"x\"}\n");
    const std::vector<std::vector<std::string>> commands{{"apply", "-f", yaml},
                                                         {"get", "tenants"},
                                                         {"job", "submit", "--type", "x"},
                                                         {"job", "submit", "--type", "x", "--wait"},
                                                         {"job", "submit", "-f", lines},
                                                         {"job", "submit", "-f", lines, "--wait"},
                                                         {"job", "get", cli_test::some_id},
                                                         {"job", "list"},
                                                         {"job", "logs", cli_test::some_id},
                                                         {"job", "logs", "--follow", cli_test::some_id},
                                                         {"job", "result", cli_test::some_id},
                                                         {"job", "watch", cli_test::some_id},
                                                         {"job", "cancel", cli_test::some_id},
                                                         {"tree"},
                                                         {"tree", "--watch"},
                                                         {"metrics"},
                                                         {"check"}};
    for (auto arguments : commands) {
        std::string typed;
        for (const std::string& word : arguments) typed += word + " ";
        arguments.insert(arguments.end(), {"--server", nobody.text()});
        const auto outcome = run(arguments);
        BOOST_TEST_CONTEXT(typed) {
            BOOST_TEST(outcome.status == 3);
            BOOST_TEST(contains(outcome.err, "unavailable: "));
            BOOST_TEST(contains(outcome.err, nobody.text()));
            BOOST_TEST(contains(outcome.err, "COPPICE_SERVER"));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_version_is_printed_in_both_shapes) {
    BOOST_TEST(run({"version"}).out == "coppice " COPPICE_VERSION "\n");
    BOOST_TEST(nlohmann::json::parse(run({"version", "-o", "json"}).out)["version"] == COPPICE_VERSION);
}

BOOST_AUTO_TEST_CASE(a_token_is_signed_with_the_data_directorys_key) {
    cli_test::temporary_directory directory;
    std::filesystem::create_directory(directory.file("keys"));
    const auto key = create_hs256_key_file(directory.file("keys") + "/node.jwk", "node");
    BOOST_REQUIRE(key);
    const auto outcome = run({"token", "issue", "--role", "service", "--tenant", "acme", "--ttl", "90s",
                              "--subject", "billing", "--data", directory.file(".")});
    BOOST_REQUIRE_EQUAL(outcome.status, 0);
    BOOST_TEST(outcome.err == "");
    const std::string token = outcome.out.substr(0, outcome.out.size() - 1);
    const auto verifier = token_verifier::make({*key}, {});
    const auto verified = verifier->verify(token, wall_clock_now());
    BOOST_REQUIRE(verified);
    BOOST_TEST(*verified->who.tenant == "acme");
    BOOST_TEST(verified->who.subject == "billing");
    BOOST_TEST(!verifier->verify(token, wall_clock_now() + std::chrono::seconds{91}));

    const auto as_json = nlohmann::json::parse(
        run({"token", "issue", "--role", "sre", "--key", directory.file("keys"), "-o", "json"}).out);
    BOOST_TEST(verifier->verify(as_json["token"].get<std::string>(), wall_clock_now()).has_value());
}

BOOST_AUTO_TEST_CASE(without_a_key_it_is_said_where_one_is_looked_for) {
    cli_test::temporary_directory directory;
    const auto outcome = run({"token", "issue", "--role", "sre", "--data", directory.file("none")});
    BOOST_TEST(outcome.status == 1);
    BOOST_TEST(contains(outcome.err, directory.file("none") + "/keys"));
    BOOST_TEST(contains(outcome.err, "hint:"));
}

BOOST_AUTO_TEST_CASE(flags_of_serve_are_laid_over_the_file) {
    cli_test::temporary_directory directory;
    const std::string file =
        directory.write("node.yaml", "data: from-file\nlisten: 127.0.0.1:1111\nmetrics_listen: 127.0.0.1:2222\n");
    const auto config = serve_config({.config = file, .listen = "[::1]:0"});
    BOOST_REQUIRE(config);
    BOOST_TEST(config->data == "from-file");
    BOOST_TEST(to_string(config->listen) == "[::1]:0");
    BOOST_TEST(to_string(config->metrics_listen) == "127.0.0.1:2222");
    BOOST_TEST(!serve_config({.listen = "nowhere"}));
    BOOST_TEST(!serve_config({.config = directory.file("absent.yaml")}));
    BOOST_TEST(!serve_config({.listen = "0.0.0.0:7400"})); // the world, without tls
}

BOOST_AUTO_TEST_CASE(serve_runs_the_node_with_its_configuration_and_gives_its_status) {
    const serve_function node = [](const node_config& config, bool development) -> expected<void> {
        if (config.data == "somewhere" && development && config.listen.port == 0) return {};
        return fail(errc::data_directory_locked, config.data);
    };
    BOOST_TEST(run({"serve", "--data", "somewhere", "--listen", "127.0.0.1:0", "--dev"}, node).status == 0);
    const auto refused = run({"serve", "--data", "elsewhere"}, node);
    BOOST_TEST(refused.status == 1);
    BOOST_TEST(refused.err.starts_with("coppice: serve: data_directory_locked: "));
    BOOST_TEST(run({"serve", "--listen", "nowhere"}, node).status == 2);
}

BOOST_AUTO_TEST_CASE(a_reader_that_went_away_is_no_error) {
    int ends[2];
    BOOST_REQUIRE(::pipe(ends) == 0);
    ::close(ends[0]);
    std::FILE* err = std::tmpfile();
    {
        console con(ends[1], ::fileno(err));
        BOOST_TEST(run_command_line({"--help"}, con, nullptr) == 0);
        BOOST_TEST(con.out_closed());
    }
    BOOST_TEST(cli_test::contents(err) == "");
    std::fclose(err);
    ::close(ends[1]);
}

BOOST_AUTO_TEST_CASE(a_full_disk_behind_stdout_is_one) {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    BOOST_REQUIRE(full >= 0);
    std::FILE* err = std::tmpfile();
    {
        console con(full, ::fileno(err));
        BOOST_TEST(run_command_line({"version"}, con, nullptr) == 1);
    }
    BOOST_TEST(contains(cli_test::contents(err), "No space left"));
    std::fclose(err);
    ::close(full);
}

BOOST_AUTO_TEST_CASE(a_shell_is_told_what_may_come_next) {
    const auto offered = [](std::vector<std::string> words) {
        words.insert(words.begin(), "__complete");
        const auto done = run(words);
        BOOST_TEST(done.status == 0);
        return done.out;
    };
    BOOST_TEST(offered({"jo"}) == "job\n");
    BOOST_TEST(offered({"job", "re"}) == "redrive\nresult\n");
    BOOST_TEST(contains(offered({"job", ""}), "submit\n"));
    BOOST_TEST(offered({"job", "list", "--st"}) == "--stale-ok\n--status\n");
    BOOST_TEST(offered({"job", "list", "--status", "q"}) == "queued\n");
    BOOST_TEST(offered({"job", "list", "--tenant", ""}).empty()); // a value, of which we know nothing
    BOOST_TEST(offered({"job", "list", "--tenant", "job", "-"}) == offered({"job", "list", "-"})); // not a command
    BOOST_TEST(offered({"-o", "json", "nonsense", "--", "job", "su"}) == "submit\n");
    BOOST_TEST(contains(offered({}), "serve\n"));
    for (const char* shell : {"bash", "zsh", "fish"})
        BOOST_TEST(contains(run({"completion", shell}).out, "__complete"));
    BOOST_TEST(run({"completion", "tcsh"}).status == 2);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
