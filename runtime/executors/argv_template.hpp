// From a job type and a payload to a command line: "{{field}}" in an element of the type's argv is replaced by the
// payload's top-level string, number or boolean of that name.
//
// Intuition: a template is filled, never parsed again. There is no shell, an element stays one argument whatever
// the field holds, what was put in is not searched for placeholders, and the program itself (argv[0]) is never the
// payload's choice. A field may still begin with "-": types whose programs take options put "--" before it.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "actors/jobs/job_type_spec.hpp"
#include "schema/errc.hpp"

namespace coppice {

struct exec_input {
    std::vector<std::string> argv;
    std::string stdin_bytes;
};

// Whether a declared argv can ever be filled: a program without placeholder, every "{{" closed, bounds kept, no
// NUL. `document_invalid`, naming the element.
expected<void> check_argv_template(const std::vector<std::string>& argv);

// The arguments for this payload (JSON text). `payload_invalid` names a field that is missing, is an object, array
// or null, or holds a NUL; `document_invalid` as above.
expected<std::vector<std::string>> resolve_argv(const std::vector<std::string>& argv, std::string_view payload);

// What to run for a type and its payload: the template with the payload on stdin or, for a type with
// `argv_from_payload`, what the payload {"argv": ["..."], "stdin": "..."} says.
expected<exec_input> resolve_exec_input(const job_type_spec& type, std::string_view payload);

} // namespace coppice
