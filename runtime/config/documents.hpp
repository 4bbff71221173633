// Declared documents: what `coppice apply -f` takes and `coppice get -o yaml` prints. Like those of Kubernetes:
//
//     apiVersion: coppice/v1          (may be left out)
//     kind: Tenant                    (or JobType)
//     metadata: {name: acme}
//     spec: {weight: 3, types: [wordcount]}
//
// All or nothing: documents are returned only when the whole input is without error. Whether a tenant's types exist
// is not asked here; the node knows what was declared before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "runtime/config/document_errors.hpp"
#include "runtime/config/specs.hpp"

namespace coppice {

enum class declared_kind : std::uint8_t { tenant, job_type, schedule };

std::string_view to_string(declared_kind kind); // "Tenant", "JobType", "Schedule"

struct declared_document {
    declared_kind kind = declared_kind::tenant;
    std::string name;
    std::variant<tenant_spec, job_type_spec, schedule_spec> spec;
    std::string file;
    int line = 0; // where the document begins
};

using loaded_documents = tl::expected<std::vector<declared_document>, document_errors>;

// `file_name` is for messages only. Any thread.
loaded_documents load_documents(std::string_view text, std::string_view file_name);

// A file, or every *.yaml and *.yml of a directory (not of those below it; hidden files are left out), in order of
// name. A name may be declared only once in all of them. Blocks on the disk.
loaded_documents load_documents_from(const std::filesystem::path& path);

// A whole file of at most limits::document_size_max bytes.
tl::expected<std::string, document_errors> read_text_file(const std::filesystem::path& path);

// A document that load_documents reads back as the same spec. Not for types with argv_from_payload, which nobody
// may declare: what it gives for one is refused when it is read.
std::string to_yaml(const declared_document& document);

} // namespace coppice
