#include "runtime/config/node_config.hpp"

#include <algorithm>
#include <utility>

#include "cluster/control/http_text.hpp"
#include "runtime/config/documents.hpp"
#include "runtime/config/field_reader.hpp"
#include "runtime/config/strict_yaml.hpp"
#include "runtime/results/object_store.hpp"

namespace coppice {

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t no_bound = std::uint64_t{1} << 62;
constexpr std::uint64_t exec_memory_min = std::uint64_t{16} << 20; // below, no program gets as far as main
constexpr std::uint32_t exec_open_files_min = 16;
constexpr std::uint32_t exec_open_files_max = 1'000'000;

void read_endpoint(field_reader& fields, std::string_view field, endpoint& into) {
    std::string text;
    if (!fields.text(field, text)) return;
    if (auto parsed = parse_endpoint(text)) {
        into = std::move(*parsed);
    } else {
        fields.error(field, parsed.error().detail);
    }
}

void read_s3(field_reader& fields, results_settings& results) {
    if (fields.text("endpoint", results.endpoint, presence::required)) {
        if (const std::string trouble = url_trouble(results.endpoint); !trouble.empty())
            fields.error("endpoint", trouble);
        else if (results.endpoint.find('/', results.endpoint.find("//") + 2) != std::string::npos)
            fields.error("endpoint", "is scheme, host and port; what comes before the names is prefix");
    }
    fields.text("region", results.region, presence::required);
    fields.text("bucket", results.bucket, presence::required);
    if (!is_object_name(results.bucket) || results.bucket.find('/') != std::string::npos)
        fields.error("bucket", "has letters a-z, digits, '-' and '.'");
    if (fields.text("prefix", results.prefix) &&
        (!results.prefix.ends_with('/') ||
         !is_object_name(std::string_view{results.prefix}.substr(0, results.prefix.size() - 1))))
        fields.error("prefix", "has parts of a-z, 0-9, '-' and '.', and ends with '/'");
    fields.text("access_key", results.access_key, presence::required);
    fields.text("secret_key_file", results.secret_key_file, presence::required);
    fields.text("ca", results.ca);
}

void read_results(field_reader& fields, results_settings& results) {
    fields.size("above_bytes", results.above_bytes, limits::result_inline_max, limits::result_size_max);
    fields.duration("sweep_every", results.sweep_every, milliseconds{0}, limits::delay_max);
    fields.text("directory", results.directory);
    fields.mapping("s3", [&](field_reader& s3) { read_s3(s3, results); });
    if (results.directory.empty() == results.endpoint.empty())
        fields.error("directory", "one place for results: directory, or s3");
}

void read_exec(field_reader& fields, exec_settings& exec) {
    fields.integer("slots", exec.slots, 0, limits::exec_slots_max);
    fields.duration("cpu", exec.cpu, std::chrono::seconds{1}, limits::delay_max);
    fields.size("memory_bytes", exec.memory_bytes, exec_memory_min, no_bound);
    fields.size("file_bytes", exec.file_bytes, 0, no_bound);
    fields.integer("open_files", exec.open_files, exec_open_files_min, exec_open_files_max);
}

template <std::size_t Count>
void read_word(field_reader& fields, std::string_view field, std::string& into,
               const std::array<std::string_view, Count>& words) {
    choices<std::string_view> known;
    for (const std::string_view word : words) known.emplace_back(word, word);
    std::string_view chosen = into;
    if (fields.choice(field, chosen, known)) into = chosen;
}

void read_log(field_reader& fields, log_settings& log) {
    read_word(fields, "level", log.level, log_levels);
    read_word(fields, "format", log.format, log_formats);
}

void read_config(field_reader& fields, node_config& config) {
    fields.text("data", config.data);
    read_endpoint(fields, "listen", config.listen);
    read_endpoint(fields, "metrics_listen", config.metrics_listen);
    fields.mapping("tls", [&](field_reader& tls) {
        tls.text("certificate", config.tls.certificate, presence::required);
        tls.text("key", config.tls.key, presence::required);
    });
    fields.mapping("auth", [&](field_reader& auth) {
        auth.text("keys", config.auth.keys);
        auth.text("audience", config.auth.audience);
    });
    fields.mapping("exec", [&](field_reader& exec) { read_exec(exec, config.exec); });
    fields.mapping("store", [&](field_reader& store) {
        store.size("map_bytes", config.store.map_bytes, limits::map_size_min, limits::map_size_max);
    });
    fields.boolean("paused", config.paused);
    fields.mapping("audit", [&](field_reader& audit) {
        audit.duration("every", config.audit.every, milliseconds{0}, limits::delay_max);
    });
    fields.mapping("log", [&](field_reader& log) { read_log(log, config.log); });
    fields.mapping("tracing", [&](field_reader& tracing) {
        if (tracing.text("endpoint", config.tracing.endpoint, presence::required))
            if (const std::string trouble = url_trouble(config.tracing.endpoint); !trouble.empty())
                tracing.error("endpoint", trouble);
    });
    fields.mapping("results", [&](field_reader& results) { read_results(results, config.results); });
    fields.mapping("cluster", [&](field_reader& cluster) { read_cluster(cluster, config.cluster.emplace()); });
}

// The value at a path of mappings, or the closest one above it.
text_place place_of(const yaml_value& root, std::string_view path) {
    const yaml_value* value = &root;
    while (!path.empty()) {
        const std::size_t dot = path.find('.');
        const yaml_value* child = value->find(path.substr(0, dot));
        if (child == nullptr) break;
        value = child;
        path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    }
    return value->at;
}

bool concerns(std::string_view path, std::string_view other) {
    if (path.size() > other.size()) std::swap(path, other);
    return other.starts_with(path) && (other.size() == path.size() || other[path.size()] == '.');
}

void check_listening(const node_config& config, std::vector<config_problem>& problems) {
    const std::pair<std::string_view, const endpoint&> places[] = {{"listen", config.listen},
                                                                   {"metrics_listen", config.metrics_listen}};
    for (const auto& [path, where] : places)
        if (!is_loopback(where) && !config.tls.enabled())
            problems.push_back({std::string{path}, to_string(where) +
                                                       " can be reached from other machines: set tls, or "
                                                       "listen on 127.0.0.1"});
    if (!is_loopback(config.listen) && config.auth.keys.empty())
        problems.push_back({"auth.keys", "is required when other machines can reach " + to_string(config.listen)});
    if (config.listen == config.metrics_listen && config.listen.port != 0)
        problems.push_back({"metrics_listen", "must be another address than listen"});
}

void check_values(const node_config& config, std::vector<config_problem>& problems) {
    const std::uint64_t map = config.store.map_bytes;
    if (map < limits::map_size_min || map > limits::map_size_max || map % page_bytes != 0)
        problems.push_back(
            {"store.map_bytes", "must be whole pages of 4096 bytes, from " + format_size(limits::map_size_min) +
                                    " to " + format_size(limits::map_size_max) + ", not " + format_size(map)});
    if (config.exec.slots > limits::exec_slots_max)
        problems.push_back({"exec.slots", "must be at most " + std::to_string(limits::exec_slots_max)});
    if (config.exec.cpu.count() <= 0 || config.exec.cpu.count() % 1000 != 0)
        problems.push_back({"exec.cpu", "must be whole seconds, at least one"});
    if (std::find(log_levels.begin(), log_levels.end(), config.log.level) == log_levels.end())
        problems.push_back({"log.level", shown(config.log.level) + " is no level"});
    if (std::find(log_formats.begin(), log_formats.end(), config.log.format) == log_formats.end())
        problems.push_back({"log.format", shown(config.log.format) + " is no format"});
}

} // namespace

std::vector<config_problem> validate(const node_config& config) {
    std::vector<config_problem> problems;
    if (config.data.empty()) problems.push_back({"data", "must name a directory"});
    if (config.tls.certificate.empty() != config.tls.key.empty())
        problems.push_back({config.tls.key.empty() ? "tls.key" : "tls.certificate",
                            "is required: a certificate and a key go together"});
    if (config.auth.audience.empty()) problems.push_back({"auth.audience", "must not be empty"});
    check_listening(config, problems);
    check_values(config, problems);
    if (config.cluster) check_cluster(*config.cluster, config.listen, problems);
    return problems;
}

tl::expected<node_config, document_errors> parse_node_config(std::string_view text, std::string_view file_name) {
    document_errors errors;
    std::vector<yaml_value> documents = parse_yaml(text, file_name, errors);
    if (documents.size() > 1)
        errors.add({std::string{file_name}, documents[1].at, {}, "a configuration is one document only"});
    yaml_value empty;
    empty.kind = yaml_kind::mapping;
    const yaml_value& root = documents.empty() ? empty : documents.front();
    node_config config;
    field_reader::read(root, "", {file_name, errors}, [&](field_reader& fields) { read_config(fields, config); });
    // What a rule says about a field that could not be read is not worth saying.
    const std::vector<document_error> reported = errors.list;
    for (config_problem& problem : validate(config)) {
        const bool known = std::any_of(reported.begin(), reported.end(), [&](const document_error& error) {
            return error.path.empty() || concerns(error.path, problem.path);
        });
        if (!known)
            errors.add({std::string{file_name}, place_of(root, problem.path), std::move(problem.path),
                        std::move(problem.message)});
    }
    if (errors.empty()) return config;
    errors.sort();
    return tl::unexpected{std::move(errors)};
}

tl::expected<node_config, document_errors> load_node_config(const std::filesystem::path& path) {
    auto text = read_text_file(path);
    if (!text) return tl::unexpected{std::move(text.error())};
    return parse_node_config(*text, path.string());
}

} // namespace coppice
