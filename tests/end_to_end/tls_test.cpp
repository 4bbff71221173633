// TLS as an operator sets it up: a CA of one's own, a node with a certificate of it, and who gets in.
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {
namespace {

// The node's certificate has the names "node.test" and "localhost", and no address.
class authority {
  public:
    explicit authority(const std::string& name) {
        const auto key = [](const std::string& to) {
            return "openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " + to + " && ";
        };
        const std::string script =
            "umask 077; cd " + (files_ / "").string() + " && " + key("ca.key") + key("node.key") +
            "openssl req -x509 -new -key ca.key -days 2 -subj '/CN=" + name +
            "' -out ca.pem && "
            "openssl req -new -key node.key -subj /CN=node.test -out node.csr && "
            "printf 'subjectAltName=DNS:node.test,DNS:localhost' > san && "
            "openssl x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
            "-extfile san -out node.pem";
        process made({.argv = {"/bin/sh", "-c", script}});
        BOOST_REQUIRE_MESSAGE(made.wait() == 0, made.err());
    }
    std::string path(const std::string& name) const { return (files_ / name).string(); }

  private:
    scratch_directory files_;
};

struct secured_node {
    secured_node()
        : at({.flags = {"--config", files.write("node.yaml", "tls: {certificate: " + own.path("node.pem") +
                                                                 ", key: " + own.path("node.key") + "}\n")},
              .client_env = {{"COPPICE_TLS_CA", own.path("ca.pem")}, {"COPPICE_TLS_NAME", "node.test"}}}) {}

    // The node's own environment, but for these.
    outcome run_with(const environment& changed, std::vector<std::string> arguments) const {
        environment env;
        for (auto variable : at.operator_env()) {
            bool keep = true;
            for (const auto& [name, value] : changed) {
                if (name != variable.first) continue;
                variable.second = value;
                keep = !value.empty();
            }
            if (keep) env.push_back(variable);
        }
        return at.run_as(env, std::move(arguments));
    }

    authority own{"coppice test CA"};
    scratch_directory files;
    node at;
};

void check_unavailable(const outcome& o, const std::string& because) {
    BOOST_TEST_CONTEXT(o.err) {
        BOOST_TEST(o.status == 3);
        BOOST_TEST(o.out == "");
        BOOST_TEST(o.err.find("coppice: job list: unavailable: ") == 0U);
        BOOST_TEST(o.err.find(because) != std::string::npos);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(tls)

BOOST_AUTO_TEST_CASE(who_trusts_the_nodes_authority_submits_works_and_watches_over_tls) {
    const secured_node n;
    const std::string types = n.files.write("types.yaml", "kind: JobType\nmetadata: {name: upper}\n"
                                                          "spec: {executor: worker}\n");
    const outcome applied = n.at.run({"apply", "-f", types});
    BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
    const auto worker = n.at.start({"worker", "--types", "upper", "--", "tr", "a-z", "A-Z"});
    const outcome done =
        n.at.run({"job", "submit", "--tenant", "default", "--type", "upper", "--payload", "\"leaf\"", "--wait"});
    BOOST_TEST_CONTEXT(done.err << worker->err()) BOOST_REQUIRE_EQUAL(done.status, 0);
    BOOST_TEST(n.at.run({"job", "result", done.out.substr(0, 36)}).out == "\"LEAF\"");
    BOOST_TEST(worker->kill(SIGTERM) == 0);
}

BOOST_AUTO_TEST_CASE(who_does_not_trust_the_node_is_told_why_and_gets_3) {
    const secured_node n;
    const authority other{"another CA"};
    check_unavailable(n.run_with({{"COPPICE_TLS_CA", other.path("ca.pem")}}, {"job", "list"}), "certificate");
    check_unavailable(n.run_with({{"COPPICE_TLS_CA", "system"}}, {"job", "list"}), "certificate");
    // The name of the address that was asked for is not in the certificate.
    check_unavailable(n.run_with({{"COPPICE_TLS_NAME", ""}}, {"job", "list"}), "certificate");
    BOOST_TEST(n.at.run({"job", "list"}).status == 0);
}

BOOST_AUTO_TEST_CASE(who_speaks_plain_text_to_a_tls_node_or_tls_to_a_plain_one_gets_an_error_soon) {
    const secured_node n;
    const auto before = std::chrono::steady_clock::now();
    check_unavailable(n.run_with({{"COPPICE_TLS_CA", ""}, {"COPPICE_TLS_NAME", ""}}, {"job", "list"}),
                      "if the node has a certificate, name its authority: COPPICE_TLS_CA");
    const node plain;
    environment env = plain.operator_env();
    env.emplace_back("COPPICE_TLS_CA", n.own.path("ca.pem"));
    check_unavailable(plain.run_as(env, {"job", "list"}), "the node does not speak TLS");
    BOOST_TEST((std::chrono::steady_clock::now() - before < std::chrono::seconds{15}));
}

BOOST_AUTO_TEST_CASE(a_renewed_certificate_is_served_after_a_hangup_signal_and_a_damaged_one_changes_nothing) {
    const secured_node n;
    const authority next{"the next CA"};
    const auto lists_with = [&](const authority& trusted) {
        return n.run_with({{"COPPICE_TLS_CA", trusted.path("ca.pem")}}, {"job", "list"}).status;
    };
    const auto logged = [&](const std::string& text) {
        return eventually([&] { return n.at.log().find(text) != std::string::npos; });
    };
    std::ofstream{n.own.path("node.pem")} << "no certificate";
    n.at.signal(SIGHUP);
    BOOST_TEST(logged("the certificate was not reloaded"));
    BOOST_TEST(lists_with(n.own) == 0);
    for (const char* name : {"node.pem", "node.key"})
        std::filesystem::copy_file(next.path(name), n.own.path(name),
                                   std::filesystem::copy_options::overwrite_existing);
    n.at.signal(SIGHUP);
    BOOST_TEST(logged("the certificate was reloaded"));
    BOOST_TEST(lists_with(next) == 0);
    BOOST_TEST(lists_with(n.own) == 3);
}

BOOST_AUTO_TEST_CASE(a_ca_file_that_is_none_is_named) {
    const secured_node n;
    const outcome absent = n.run_with({{"COPPICE_TLS_CA", n.own.path("absent.pem")}}, {"job", "list"});
    BOOST_TEST(absent.status == 1);
    BOOST_TEST(absent.err.find(n.own.path("absent.pem")) != std::string::npos);
    const outcome key = n.run_with({{"COPPICE_TLS_CA", n.own.path("node.key")}}, {"job", "list"});
    BOOST_TEST(key.status == 1);
    BOOST_TEST(key.err.find(n.own.path("node.key")) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_node_that_others_can_reach_needs_a_certificate_and_keys_that_fit) {
    const authority own{"coppice test CA"}, other{"another CA"};
    const scratch_directory files;
    const auto serve = [&](std::vector<std::string> more) {
        std::vector<std::string> argv{program(),          "serve",      "--data", (files / "data").string(),
                                      "--metrics-listen", "127.0.0.1:0"};
        argv.insert(argv.end(), more.begin(), more.end());
        process p({.argv = std::move(argv)});
        const int status = p.wait();
        return outcome{status, p.out(), p.err()};
    };
    const outcome open = serve({"--listen", "0.0.0.0:0"});
    BOOST_TEST_CONTEXT(open.err) {
        BOOST_TEST(open.status == 2);
        BOOST_TEST(open.err.find("0.0.0.0:0 can be reached from other machines: set tls, or listen on 127.0.0.1") !=
                   std::string::npos);
    }
    const outcome mixed = serve({"--listen", "127.0.0.1:0", "--config",
                                 files.write("mixed.yaml", "tls: {certificate: " + own.path("node.pem") +
                                                               ", key: " + other.path("node.key") + "}\n")});
    BOOST_TEST_CONTEXT(mixed.err) {
        BOOST_TEST(mixed.status == 1);
        BOOST_TEST(mixed.err.find("do not belong together") != std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
