// Question and answer of a join: what one side writes the other reads, and whatever else comes is bounded.
#include "runtime/joining/join_wire.hpp"

#include <boost/test/unit_test.hpp>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <random>

using namespace coppice;

namespace {

join_grant sample_grant() {
    join_grant grant;
    grant.number = node_id{4};
    grant.certificate_pem = "certificate";
    grant.authority_pem = "authority";
    grant.shards = 3;
    grant.min_in_sync = 2;
    grant.lease = milliseconds{600};
    grant.grace = milliseconds{900};
    grant.etcd_endpoints = {"http://127.0.0.1:2379"};
    grant.etcd_prefix = "/coppice/grove/";
    grant.files = {{joining::Answer::Place::TOKEN_KEY, "node.jwk", "secret"},
                   {joining::Answer::Place::ETCD_PASSWORD, "", "password"}};
    return grant;
}

expected<join_grant> over_the_wire(const expected<join_grant>& answer) {
    capnp::MallocMessageBuilder message;
    write(answer, message.initRoot<joining::Answer>());
    return read(message.getRoot<joining::Answer>().asReader());
}

} // namespace

BOOST_AUTO_TEST_SUITE(join_wire)

BOOST_AUTO_TEST_CASE(an_answer_says_the_same_on_the_other_side) {
    const auto grant = over_the_wire(sample_grant());
    BOOST_REQUIRE(grant.has_value());
    BOOST_TEST(grant->number.value == 4U);
    BOOST_TEST(grant->certificate_pem == "certificate");
    BOOST_TEST((grant->grace == milliseconds{900}));
    BOOST_REQUIRE(grant->files.size() == 2U);
    BOOST_TEST(grant->files[0].name == "node.jwk");
    BOOST_TEST(grant->files[1].content == "password");
    const auto refused = over_the_wire(fail(errc::unauthenticated, "no"));
    BOOST_REQUIRE(!refused);
    BOOST_TEST((refused.error().code == errc::unauthenticated));
    BOOST_TEST(refused.error().detail == "no");
}

BOOST_AUTO_TEST_CASE(a_key_is_never_written_outside_of_its_directory) {
    for (const char* name : {"", ".hidden", "../node.yaml", "a/b", "/etc/passwd", "a b", "..", "n\xc3\xb6"}) {
        join_grant grant = sample_grant();
        grant.files.front().name = name;
        const auto read = over_the_wire(grant);
        BOOST_TEST_CONTEXT(name) {
            BOOST_REQUIRE(!read);
            BOOST_TEST((read.error().code == errc::message_invalid));
        }
    }
}

BOOST_AUTO_TEST_CASE(an_answer_without_end_is_cut_or_refused) {
    join_grant grant = sample_grant();
    grant.etcd_endpoints.assign(10000, "http://127.0.0.1:2379");
    BOOST_TEST(over_the_wire(grant)->etcd_endpoints.size() <= limits::join_files_max);
    grant = sample_grant();
    grant.files.assign(limits::join_files_max + 1, grant.files.front());
    BOOST_TEST(!over_the_wire(grant).has_value());
    grant = sample_grant();
    grant.grace = milliseconds::max();
    BOOST_TEST((over_the_wire(grant)->grace <= limits::cluster_grace_max));
    grant.number = node_id{0};
    BOOST_TEST(!over_the_wire(grant).has_value());
}

BOOST_AUTO_TEST_CASE(a_damaged_message_is_refused_or_read_but_never_more) {
    std::random_device device;
    const auto seed = device();
    BOOST_TEST_CONTEXT("seed " << seed) {
        std::mt19937 random{seed};
        capnp::MallocMessageBuilder question, answer;
        join_request request{std::string(32, 'a'), std::string(32, 'b'), "request", {}};
        request.wanted.features = {"a", "b"};
        write(request, question.initRoot<joining::Question>());
        write(expected<join_grant>{sample_grant()}, answer.initRoot<joining::Answer>());
        for (int round = 0; round < 20000; ++round) {
            auto words = capnp::messageToFlatArray(round % 2 == 0 ? question : answer);
            auto* const bytes = reinterpret_cast<kj::byte*>(words.begin());
            const std::size_t size = words.asBytes().size();
            for (int flips = 0; flips < 4; ++flips) bytes[random() % size] = static_cast<kj::byte>(random());
            (void)kj::runCatchingExceptions([&] {
                capnp::FlatArrayMessageReader message{words, {.traversalLimitInWords = 4096, .nestingLimit = 8}};
                if (round % 2 == 0)
                    BOOST_TEST(read(message.getRoot<joining::Question>()).wanted.features.size() <=
                               limits::member_features_max + 1);
                else
                    (void)read(message.getRoot<joining::Answer>());
            });
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
