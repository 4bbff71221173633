#include "runtime/node/node_results.hpp"

#include <random>

#include "cluster/membership/own_version.hpp"
#include "persistence/secret_file.hpp"
#include "runtime/node/cluster_side.hpp"
#include "runtime/results/directory_objects.hpp"
#include "runtime/results/s3_objects.hpp"

namespace coppice {
namespace {

expected<std::unique_ptr<object_store>> open_objects(const results_settings& settings) {
    if (!settings.directory.empty()) {
        auto opened = directory_objects::open(settings.directory);
        if (!opened) return tl::unexpected(opened.error());
        return std::unique_ptr<object_store>(std::move(*opened));
    }
    s3_options options{.endpoint = settings.endpoint,
                       .region = settings.region,
                       .bucket = settings.bucket,
                       .prefix = settings.prefix,
                       .access_key = settings.access_key,
                       .secret_key = {},
                       .ca = settings.ca};
    if (auto read = read_small_file(settings.secret_key_file, limits::tls_file_size_max, options.secret_key); !read)
        return tl::unexpected(read.error());
    while (options.secret_key.ends_with('\n')) options.secret_key.pop_back();
    return std::unique_ptr<object_store>(std::make_unique<s3_objects>(std::move(options)));
}

// By what a node alone is known to its result store: made once, and kept with its data.
expected<std::string> own_name(const std::filesystem::path& directory) {
    const std::filesystem::path path = directory / "results-owner";
    std::string name;
    if (std::filesystem::exists(path)) {
        if (auto read = read_small_file(path, limits::tls_file_size_max, name); !read)
            return tl::unexpected(read.error());
        return name;
    }
    std::random_device random;
    name = "node " + std::to_string(random()) + std::to_string(random());
    return create_secret_file(path.string(), name).map([&] { return name; });
}

} // namespace

void node_results::stop() {
    if (desk) desk->stop();
    sweep.reset();
}

expected<node_results> open_results(const node_config& config, store& data, const std::filesystem::path& directory,
                                    cluster_side* cluster, const logger& log) {
    if (!config.results.enabled()) return node_results{};
    auto objects = open_objects(config.results);
    if (!objects) return tl::unexpected(objects.error());
    auto owner =
        cluster != nullptr ? expected<std::string>{"cluster " + config.cluster->name} : own_name(directory);
    if (!owner) return tl::unexpected(owner.error());
    const logger own = log.named("results");
    node_results made;
    made.desk = std::make_shared<result_desk>(
        std::move(*objects),
        result_desk::settings{.above = config.results.above_bytes,
                              .allowed = cluster != nullptr ? std::function{[cluster] {
                                  return cluster->all_have(feature::stored_results);
                              }}
                                                            : nullptr},
        own);
    result_sweep::settings sweep{.owner = std::move(*owner), .every = config.results.sweep_every};
    if (cluster != nullptr) {
        sweep.shards = cluster->shards().size();
        sweep.leads = [board = cluster->board()](shard_id shard) {
            return board->face(shard)->role.load() == replica_role::serving;
        };
    }
    made.sweep = std::make_unique<result_sweep>(data, made.desk, std::move(sweep), own);
    return made;
}

} // namespace coppice
