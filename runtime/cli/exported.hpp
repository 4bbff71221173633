// Rows of a collection on their way out and in: a JSON object or a line of CSV each.
//
// A row is names and JSON texts, in the collection's order of columns. As CSV, a string stands as its text, null as
// nothing, and anything else as its JSON; so what is read knows from the column's name what stands there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/client/values.hpp"
#include "schema/errc.hpp"

namespace coppice::cli {

using export_row = std::vector<std::pair<std::string_view, std::string>>;

std::string as_ndjson(const export_row& row);
std::string as_csv(const export_row& row);
std::string csv_titles(const export_row& row);

export_row row_of(const client::job_view& job); // with its payload
export_row row_of(const client::event& event);
export_row row_of(const client::evidence& evidence);
export_row row_of(const client::declared_view& view);

// What is submitted for a line of an export of jobs, or for one as `job submit -f` takes it. Nothing: the job had
// ended, and is passed over. It is known by its own idempotency key, or else by one made of its id, so a line that
// comes twice within the key's time makes one job. `tenant`: instead of the line's; empty: the line's.
// invalid_argument names the member that is wrong.
expected<std::optional<client::job_spec>> job_from_line(std::string_view line, const std::string& tenant,
                                                        bool with_ended);

// A line of CSV as the JSON object that it stands for.
expected<std::string> json_from_csv(const std::vector<std::string>& titles, std::string_view line);

} // namespace coppice::cli
