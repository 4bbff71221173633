// What a node's directory says is what the node reads, wherever it is to be reached.
#include "runtime/joining/node_files.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/persistence/store_fixture.hpp"

using namespace coppice;

namespace {

node_config written_and_read(const std::filesystem::path& data, const std::string& host) {
    const auto directory = make_node_directory(data);
    BOOST_REQUIRE(directory.has_value());
    node_config config;
    config.listen = {host, 7400};
    config.metrics_listen = {host, 7401};
    config.exec.slots = 9;
    cluster_settings& cluster = config.cluster.emplace(settings_in(*directory));
    cluster.name = "oak";
    cluster.node = node_id{4};
    cluster.zone = "no";
    cluster.shards = 7;
    cluster.peer_listen = {host, 7410};
    cluster.join_listen = {host, 7411};
    cluster.grace = milliseconds{1500};
    cluster.etcd.endpoints = {"https://10.0.0.9:2379", "https://10.0.0.10:2379"};
    cluster.etcd.prefix = "/coppice/oak/";
    cluster.etcd.user = "ann: \"x\" # y";
    cluster.etcd.password_file = "/etc/a b";
    const auto written = write_node_config(*directory, config);
    BOOST_REQUIRE(written.has_value());
    const auto read = load_node_config(directory->config());
    BOOST_REQUIRE(read.has_value());
    BOOST_CHECK(read->cluster == config.cluster);
    BOOST_CHECK(read->listen == config.listen);
    BOOST_TEST(read->exec.slots == 9U);
    BOOST_TEST(read->data == directory->data.string());
    BOOST_TEST(read->auth.keys == directory->keys().string());
    BOOST_TEST(validate(*read).empty());
    return *read;
}

} // namespace

BOOST_AUTO_TEST_SUITE(node_files)

BOOST_AUTO_TEST_CASE(a_configuration_is_read_as_it_was_meant) {
    const testing::scratch_directory files;
    BOOST_TEST(!written_and_read(files.path() / "near", "127.0.0.1").tls.enabled());
}

BOOST_AUTO_TEST_CASE(a_node_that_others_reach_speaks_tls_with_its_own_certificate) {
    const testing::scratch_directory files;
    const node_config far = written_and_read(files.path() / "far", "10.0.0.1");
    BOOST_TEST(far.tls.certificate == far.cluster->certificate);
    BOOST_TEST(far.tls.key == far.cluster->key);
}

BOOST_AUTO_TEST_SUITE_END()
