// Who is let into a cluster: a token lets one node in, once; no number is given twice.
#include "cluster/membership/admission.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/identity/identity_files.hpp"
#include "tests/cluster/control/control_backends.hpp"
#include "tests/cluster/identity/identity_fixture.hpp"

using namespace coppice;
using coppice::identity_test::check_refused;
using coppice::identity_test::start;

namespace {

// A cluster's store and its one desk.
struct admitting_cluster {
    admitting_cluster() {
        testing::must(testing::put(*store, join_desk_key(node_id{1}), "oak.example:7411"));
        keep(founder());
    }
    static member founder() {
        member m;
        m.number = node_id{1};
        m.name = "node-1";
        m.peer = {"oak.example", 7410};
        m.rpc = {"oak.example", 7400};
        m.state = member_state::active;
        m.fingerprint.assign(64, 'a');
        m.first_seen = start;
        return m;
    }
    void keep(const member& m) {
        testing::must(testing::put(*store, member_key(m.number), encode(m)));
        members.push_back(m);
    }
    expected<invitation> invite(std::chrono::seconds lifetime = std::chrono::hours{1}) {
        return testing::answer_of<expected<invitation>>([&](auto done) {
            coppice::invite(*store, {"grove", by.identity().fingerprint, lifetime, now}, done);
        });
    }
    join_token token(std::chrono::seconds lifetime = std::chrono::hours{1}) {
        const invitation made = testing::must(invite(lifetime));
        return testing::must(parse_join_token(made.token, now));
    }
    join_request request(const join_token& t) {
        join_request r{t.id, t.secret, identity_test::new_request(identity_test::new_key()), {}};
        r.wanted.peer = {"192.0.2.9", 7410};
        r.wanted.rpc = {"192.0.2.9", 7400};
        r.wanted.zone = "north";
        return r;
    }
    admission desk() {
        return admission{{.store = &*store,
                          .by = by,
                          .members = [this] { return members; },
                          .number_from = [this](node_id least) { return take_node_number(files.path, least); },
                          .clock = [this] { return now; }}};
    }
    expected<admitted> admit(join_request r) {
        return testing::answer_of<expected<admitted>>([&](auto done) { desk().admit(std::move(r), done); });
    }

    testing::local_backend store;
    authority by = identity_test::new_authority();
    identity_test::directory files;
    std::vector<member> members;
    instant now = start;
};

} // namespace

BOOST_AUTO_TEST_SUITE(admissions)

BOOST_AUTO_TEST_CASE(a_token_lets_a_node_in_under_a_number_and_a_certificate_of_its_own) {
    admitting_cluster cluster;
    const invitation made = testing::must(cluster.invite());
    BOOST_REQUIRE(made.desks.size() == 1U);
    BOOST_TEST(made.desks.front() == "oak.example:7411");
    const admitted in =
        testing::must(cluster.admit(cluster.request(testing::must(parse_join_token(made.token, start)))));
    BOOST_TEST(in.what.number.value == 2U);
    const node_identity who = testing::must(verify(in.certificate_pem, cluster.by.certificate_pem(), start));
    BOOST_TEST(who.node.value == 2U);
    BOOST_TEST(who.fingerprint == in.what.fingerprint);
    BOOST_TEST((who.hosts == std::vector<std::string>{"192.0.2.9", "grove"}));
    const auto stored = testing::must(testing::get(*cluster.store, member_key(node_id{2})));
    BOOST_REQUIRE(stored.has_value());
    BOOST_CHECK(testing::must(decode_member(member_key(node_id{2}), stored->value)) == in.what);
    BOOST_CHECK(in.what.state == member_state::joining);
}

BOOST_AUTO_TEST_CASE(a_token_is_good_once_even_for_two_at_the_same_moment) {
    admitting_cluster cluster;
    const join_token token = cluster.token();
    const admission desk = cluster.desk();
    std::vector<std::future<expected<admitted>>> answers;
    for (int i = 0; i < 8; ++i) {
        auto promise = std::make_shared<std::promise<expected<admitted>>>();
        answers.push_back(promise->get_future());
        desk.admit(cluster.request(token),
                   [promise](expected<admitted> how) { promise->set_value(std::move(how)); });
    }
    std::size_t let_in = 0;
    for (auto& each : answers) {
        const auto how = each.get();
        let_in += how ? 1 : 0;
        if (!how) check_refused(how, errc::unauthenticated, "used already");
    }
    BOOST_TEST(let_in == 1U);
    BOOST_TEST(testing::must(testing::list(*cluster.store, "/members/")).entries.size() == 2U);
}

BOOST_AUTO_TEST_CASE(nodes_that_come_at_the_same_moment_get_different_numbers) {
    admitting_cluster cluster;
    std::vector<join_token> tokens;
    for (int i = 0; i < 4; ++i) tokens.push_back(cluster.token());
    const admission desk = cluster.desk();
    std::vector<std::future<expected<admitted>>> answers;
    for (const join_token& token : tokens) {
        auto promise = std::make_shared<std::promise<expected<admitted>>>();
        answers.push_back(promise->get_future());
        desk.admit(cluster.request(token),
                   [promise](expected<admitted> how) { promise->set_value(std::move(how)); });
    }
    std::set<std::uint32_t> numbers;
    for (auto& each : answers) numbers.insert(testing::must(each.get()).what.number.value);
    BOOST_TEST(numbers.size() == tokens.size());
}

BOOST_AUTO_TEST_CASE(who_does_not_know_the_secret_learns_nothing_and_spends_nothing) {
    admitting_cluster cluster;
    const join_token token = cluster.token();
    join_request wrong = cluster.request(token);
    wrong.secret.back() = static_cast<char>(wrong.secret.back() ^ 1);
    check_refused(cluster.admit(wrong), errc::unauthenticated, "not one that this cluster made");
    wrong = cluster.request(token);
    wrong.token_id = std::string(32, 'f');
    check_refused(cluster.admit(wrong), errc::unauthenticated, "not one that this cluster made");
    for (const std::string& id :
         {std::string{}, std::string(32, '/'), std::string("../members/1"), std::string(4096, 'a')}) {
        wrong.token_id = id;
        check_refused(cluster.admit(wrong), errc::unauthenticated, "not one that this cluster made");
    }
    BOOST_TEST(cluster.admit(cluster.request(token)).has_value());
}

BOOST_AUTO_TEST_CASE(what_a_new_node_wants_is_judged_before_it_is_written) {
    admitting_cluster cluster;
    const join_token token = cluster.token();
    const auto refused = [&](auto&& spoil, const char* word) {
        join_request r = cluster.request(token);
        spoil(r);
        check_refused(cluster.admit(r), errc::invalid_argument, word);
    };
    refused([](join_request& r) { r.wanted.peer.host = "a host"; }, "addresses");
    refused([](join_request& r) { r.wanted.rpc.host = std::string("\xff\xfe\0", 3); }, "addresses");
    refused([](join_request& r) { r.wanted.rpc.port = 0; }, "addresses");
    refused([](join_request& r) { r.wanted.zone = "\xc3\x28"; }, "zone");
    refused([](join_request& r) { r.wanted.protocol_max = 0; }, "versions");
    refused([](join_request& r) { r.wanted.features = {"b", "a"}; }, "features");
    refused([](join_request& r) { r.wanted.features.assign(1000, "a"); }, "features");
    refused([](join_request& r) { r.signing_request = "-----BEGIN NOTHING-----"; }, "signing request");
    BOOST_TEST(cluster.admit(cluster.request(token)).has_value()); // nothing was spent on them
}

BOOST_AUTO_TEST_CASE(a_token_that_is_over_lets_nobody_in_and_makes_room) {
    admitting_cluster cluster;
    const join_token token = cluster.token(std::chrono::minutes{1});
    for (std::size_t i = 1; i < limits::join_tokens_max; ++i) (void)cluster.token(std::chrono::minutes{1});
    check_refused(cluster.invite(), errc::overloaded, "64 join tokens");
    cluster.now += std::chrono::minutes{1};
    check_refused(cluster.admit(cluster.request(token)), errc::token_expired, "");
    BOOST_TEST(cluster.invite().has_value());
    BOOST_TEST(testing::must(testing::list(*cluster.store, join_tokens_prefix.data())).entries.size() <
               limits::join_tokens_max);
}

BOOST_AUTO_TEST_CASE(a_version_that_lacks_what_the_cluster_uses_is_not_let_in) {
    admitting_cluster cluster;
    cluster.members.front().features = {"graphs"};
    check_refused(cluster.admit(cluster.request(cluster.token())), errc::invalid_argument, "graphs");
}

BOOST_AUTO_TEST_CASE(nobody_is_invited_to_where_nobody_lets_in) {
    admitting_cluster cluster;
    member gone = admitting_cluster::founder();
    gone.state = member_state::removed;
    testing::must(testing::put(*cluster.store, member_key(gone.number), encode(gone)));
    check_refused(cluster.invite(), errc::unavailable, "join_listen");
    check_refused(cluster.invite(std::chrono::hours{24 * 8}), errc::invalid_argument, "lifetime");
}

BOOST_AUTO_TEST_CASE(a_number_is_given_once_whoever_asks_and_survives_what_is_written_beside_it) {
    const identity_test::directory files;
    BOOST_TEST(testing::must(take_node_number(files.path, node_id{1})).value == 1U);
    BOOST_TEST(testing::must(take_node_number(files.path, node_id{1})).value == 2U);
    BOOST_TEST(testing::must(take_node_number(files.path, node_id{9})).value == 9U);
    BOOST_TEST(testing::must(take_node_number(files.path, node_id{3})).value == 10U);
    std::vector<pid_t> others;
    for (int i = 0; i < 4; ++i)
        if (others.push_back(::fork()); others.back() == 0) {
            int failed = 0;
            for (int n = 0; n < 25; ++n) failed += take_node_number(files.path, node_id{1}) ? 0 : 1;
            ::_exit(failed);
        }
    for (const pid_t each : others) {
        int status = -1;
        ::waitpid(each, &status, 0);
        BOOST_TEST(status == 0);
    }
    BOOST_TEST(testing::must(take_node_number(files.path, node_id{1})).value == 111U);
    std::ofstream{files.path + "/last-node"} << "many\n";
    check_refused(take_node_number(files.path, node_id{1}), errc::invalid_argument, "last-node");
}

BOOST_AUTO_TEST_SUITE_END()
