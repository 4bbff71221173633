#include "runtime/node/development.hpp"

#include "runtime/config/specs.hpp"

namespace coppice {

void declare_development(const control_handle& control, const catalog& declared, const logger& log) {
    auto request = std::make_shared<declare_documents>();
    job_type_spec exec;
    exec.name = "exec";
    exec.executor = executor_kind::exec;
    exec.argv_from_payload = true;
    exec.schema = R"({"type":"object","required":["argv"],"additionalProperties":false,"properties":{)"
                  R"("argv":{"type":"array","minItems":1,"items":{"type":"string"}},"stdin":{"type":"string"}}})";
    tenant_spec tenant;
    tenant.name = "default";
    tenant.types = {"*"};
    if (declared.type(exec.name) == nullptr)
        request->documents.push_back({std::string{job_type_kind}, exec.name, to_json(exec)});
    if (declared.tenant(tenant.name) == nullptr)
        request->documents.push_back({std::string{tenant_kind}, tenant.name, to_json(tenant)});
    if (request->documents.empty()) return;
    request->by = "coppice serve --dev";
    request->done = [log](const auto& done) {
        if (!done) log.error("the development documents were refused", {{"why", to_string(done.error())}});
    };
    caf::anon_send(control, std::move(request));
}

} // namespace coppice
