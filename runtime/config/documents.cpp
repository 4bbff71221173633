#include "runtime/config/documents.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "runtime/config/spec_json.hpp"
#include "runtime/config/strict_yaml.hpp"
#include "runtime/config/yaml_writer.hpp"
#include "schema/limits.hpp"

namespace coppice {

namespace {

constexpr std::string_view api_version = "coppice/v1";
constexpr std::size_t schema_block_size_max = 256 * 1024; // printed as a mapping up to here; beyond, as JSON

// Reads the texts of one input, so that a name declared twice is found across files.
class document_loader {
  public:
    void load(std::string_view text, std::string_view file) {
        for (const yaml_value& document : parse_yaml(text, file, errors_)) read(document, file);
    }
    void add(document_errors errors) { errors_.append(std::move(errors)); }

    loaded_documents finish() {
        if (errors_.empty()) return std::move(documents_);
        errors_.sort();
        return tl::unexpected{std::move(errors_)};
    }

  private:
    void read(const yaml_value& value, std::string_view file) {
        field_reader::read(value, "", {file, errors_}, [&](field_reader& fields) {
            declared_document document;
            document.file = file;
            document.line = value.at.line;
            read_version(fields);
            const bool kind = fields.choice<declared_kind>("kind", document.kind,
                                                           {{"Tenant", declared_kind::tenant},
                                                            {"JobType", declared_kind::job_type},
                                                            {"Schedule", declared_kind::schedule}},
                                                           presence::required);
            const bool name = read_metadata(fields, document);
            if (!kind) {
                fields.find("spec");
                return;
            }
            read_declared(fields, document);
            if (name && is_new(fields, document)) documents_.push_back(std::move(document));
        });
    }

    static void read_version(field_reader& fields) {
        std::string version{api_version};
        if (fields.text("apiVersion", version) && version != api_version)
            fields.error("apiVersion", "must be " + std::string{api_version} + ", not " + shown(version));
    }

    static bool read_metadata(field_reader& fields, declared_document& document) {
        bool named = false;
        fields.mapping(
            "metadata", [&](field_reader& metadata) { named = read_name(metadata, document.name); },
            presence::required);
        return named;
    }

    static void read_declared(field_reader& fields, declared_document& document) {
        const auto read_as = [&](auto spec) {
            spec.name = document.name;
            fields.mapping("spec", [&](field_reader& inner) { read_spec(inner, spec); });
            document.spec = std::move(spec);
        };
        switch (document.kind) {
        case declared_kind::tenant:
            return read_as(tenant_spec{});
        case declared_kind::job_type:
            return read_as(job_type_spec{});
        case declared_kind::schedule:
            return read_as(schedule_spec{});
        }
    }

    bool is_new(field_reader& fields, const declared_document& document) {
        const std::string here = harmless(document.file, 4096) + ':' + std::to_string(document.line);
        const auto [first, fresh] = first_seen_.emplace(std::pair{document.kind, document.name}, here);
        if (!fresh)
            fields.error_at({document.line, 1}, "metadata.name",
                            "the " + std::string{to_string(document.kind)} + ' ' + shown(document.name) +
                                " is declared for the second time; the first is at " + first->second);
        return fresh;
    }

    std::vector<declared_document> documents_;
    document_errors errors_;
    std::map<std::pair<declared_kind, std::string>, std::string> first_seen_;
};

document_errors one_error(const std::filesystem::path& path, std::string message) {
    document_errors errors;
    errors.add({path.string(), {}, {}, std::move(message)});
    return errors;
}

// Sorted; empty with an error.
tl::expected<std::vector<std::filesystem::path>, document_errors>
yaml_files(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    std::filesystem::directory_iterator entry{directory, error};
    for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
        const std::filesystem::path& path = entry->path();
        const bool yaml = path.extension() == ".yaml" || path.extension() == ".yml";
        if (!yaml || path.filename().string().starts_with('.')) continue;
        if (files.size() == limits::document_files_max)
            return tl::unexpected{one_error(directory, "holds more than " +
                                                           std::to_string(limits::document_files_max) +
                                                           " YAML files, the most that is read at once")};
        files.push_back(path);
    }
    if (error) return tl::unexpected{one_error(directory, "cannot be listed: " + error.message())};
    if (files.empty()) return tl::unexpected{one_error(directory, "holds no file *.yaml or *.yml")};
    std::sort(files.begin(), files.end());
    return files;
}

nlohmann::ordered_json printable_spec(const declared_document& document) {
    nlohmann::ordered_json object = std::visit([](const auto& spec) { return to_object(spec); }, document.spec);
    object.erase("name");
    if (!object.contains("schema") || !object["schema"].is_object()) return object;
    if (to_yaml_text(object["schema"]).size() > schema_block_size_max)
        object["schema"] = object["schema"].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return object;
}

} // namespace

std::string_view to_string(declared_kind kind) {
    switch (kind) {
    case declared_kind::tenant:
        return "Tenant";
    case declared_kind::job_type:
        return "JobType";
    case declared_kind::schedule:
        return "Schedule";
    }
    return "unknown";
}

loaded_documents load_documents(std::string_view text, std::string_view file_name) {
    document_loader loader;
    loader.load(text, file_name);
    return loader.finish();
}

tl::expected<std::string, document_errors> read_text_file(const std::filesystem::path& path) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found)
        return tl::unexpected{one_error(path, "does not exist")};
    if (error) return tl::unexpected{one_error(path, "cannot be read: " + error.message())};
    // A pipe or a device could block for ever, or never end.
    if (!std::filesystem::is_regular_file(status)) return tl::unexpected{one_error(path, "is not a regular file")};
    std::ifstream stream{path, std::ios::binary};
    std::string text(limits::document_size_max + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!stream.eof() && !stream) return tl::unexpected{one_error(path, "cannot be read")};
    text.resize(static_cast<std::size_t>(stream.gcount()));
    if (text.size() > limits::document_size_max)
        return tl::unexpected{one_error(path, "is larger than 1 MiB, the most that is read: split it")};
    return text;
}

loaded_documents load_documents_from(const std::filesystem::path& path) {
    std::vector<std::filesystem::path> files{path};
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
        auto listed = yaml_files(path);
        if (!listed) return tl::unexpected{std::move(listed.error())};
        files = std::move(*listed);
    }
    document_loader loader;
    for (const std::filesystem::path& file : files) {
        auto text = read_text_file(file);
        if (text) {
            loader.load(*text, file.string());
        } else {
            loader.add(std::move(text.error()));
        }
    }
    return loader.finish();
}

std::string to_yaml(const declared_document& document) {
    nlohmann::ordered_json object;
    object["apiVersion"] = api_version;
    object["kind"] = to_string(document.kind);
    object["metadata"]["name"] = document.name;
    object["spec"] = printable_spec(document);
    return to_yaml_text(object);
}

} // namespace coppice
