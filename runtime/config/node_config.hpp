// The node's own configuration: `coppice serve --config FILE`. Every field has a default that suits a development
// machine; sample_node.yaml shows them all. Flags of the command line are laid over what the file says, and
// `validate` is asked again.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "runtime/config/cluster_settings.hpp"
#include "runtime/config/document_errors.hpp"
#include "runtime/config/quantities.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

// Both or none. Without them the node speaks plain text, and then listens on loopback only.
struct tls_settings {
    std::string certificate; // file, PEM, the chain with the node's own first
    std::string key;         // file, PEM
    bool enabled() const { return !certificate.empty() && !key.empty(); }
    bool operator==(const tls_settings&) const = default;
};

struct auth_settings {
    std::string keys; // file or directory of the keys that tokens are checked with; empty: keys/ in the data
                      // directory, made at the first start
    std::string audience = "coppice"; // what a token's `aud` must name
    bool operator==(const auth_settings&) const = default;
};

// For subprocesses of the exec executor: how many, and the bounds of each on its own.
struct exec_settings {
    std::uint32_t slots = limits::exec_slots_default;     // subprocesses at a time; 0: this node runs none
    milliseconds cpu = std::chrono::hours{1};             // processor time, whole seconds (RLIMIT_CPU)
    std::uint64_t memory_bytes = std::uint64_t{16} << 30; // address space (RLIMIT_AS)
    std::uint64_t file_bytes = std::uint64_t{4} << 30;    // the largest file that it may write (RLIMIT_FSIZE)
    std::uint32_t open_files = 1024;                      // RLIMIT_NOFILE
    bool operator==(const exec_settings&) const = default;
};

struct store_settings {
    std::uint64_t map_bytes = limits::map_size_default; // the most that the data may grow to; address space, not
                                                        // disk; whole pages of 4096 bytes
    bool operator==(const store_settings&) const = default;
};

// The node's own walks over its store.
struct audit_settings {
    milliseconds every = std::chrono::hours{6}; // 0: none
    bool operator==(const audit_settings&) const = default;
};

// As words, which the log itself understands.
struct log_settings {
    std::string level = "info";  // one of log_levels
    std::string format = "text"; // one of log_formats
    bool operator==(const log_settings&) const = default;
};
inline constexpr std::array<std::string_view, 6> log_levels{"trace", "debug", "info", "warn", "error", "off"};
inline constexpr std::array<std::string_view, 2> log_formats{"text", "json"};

// Where spans of traced jobs go.
struct tracing_settings {
    std::string endpoint; // url of a collector's OTLP/HTTP, such as http://127.0.0.1:4318/v1/traces; empty: nowhere
    bool operator==(const tracing_settings&) const = default;
};

// Where results go that are larger than `above`; one of the two, or nowhere.
struct results_settings {
    std::uint64_t above_bytes = 64 * 1024;
    milliseconds sweep_every = std::chrono::hours{6}; // looks for what no job names; 0: never
    std::string directory;                            // of this node alone, or shared by all nodes of the cluster
    std::string endpoint;                             // url of an S3-compatible service; with what follows
    std::string region;
    std::string bucket;
    std::string prefix; // before every name, ends with '/'; empty: none
    std::string access_key;
    std::string secret_key_file;
    std::string ca; // file: who may have signed the service's certificate; empty: the system's
    bool enabled() const { return !directory.empty() || !endpoint.empty(); }
    bool operator==(const results_settings&) const = default;
};

struct node_config {
    std::string data = "coppice-data";          // directory, made when missing; relative to the working directory
    endpoint listen{"127.0.0.1", 7400};         // RPC; port 0: any free one
    endpoint metrics_listen{"127.0.0.1", 7401}; // HTTP, for Prometheus
    tls_settings tls;
    auth_settings auth;
    exec_settings exec;
    store_settings store;
    audit_settings audit;
    log_settings log;
    tracing_settings tracing;
    results_settings results;
    bool paused = false;                     // it starts no jobs until `coppice node release`
    std::optional<cluster_settings> cluster; // absent: the node is alone
    bool operator==(const node_config&) const = default;
};

struct config_problem {
    std::string path; // "tls.key"
    std::string message;
    bool operator==(const config_problem&) const = default;
};

// What is wrong with a configuration as a whole; empty when nothing is. Touches neither files nor the network.
std::vector<config_problem> validate(const node_config& config);

// From the text of a file; one YAML mapping, and an empty text gives the defaults. All errors, with their lines.
tl::expected<node_config, document_errors> parse_node_config(std::string_view text, std::string_view file_name);
// Blocks on the disk.
tl::expected<node_config, document_errors> load_node_config(const std::filesystem::path& path);

} // namespace coppice
