// What comes back from outside: exported jobs as NDJSON and CSV, the lists, names and lines of a result store.
#include "runtime/cli/csv_line.hpp"
#include "runtime/cli/exported.hpp"
#include "runtime/results/line_json.hpp"
#include "runtime/results/result_name.hpp"
#include "runtime/results/s3_list.hpp"
#include "tests/fuzz/fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using coppice::fuzz::must;
    const std::string_view text = coppice::fuzz::text_of(data, size);
    const auto job = coppice::cli::job_from_line(text, {}, true);
    if (job && *job) must((*job)->payload.size() <= size, "a payload is a part of its line");
    if (const auto fields = coppice::cli::parse_csv_line(text); fields && text.find_first_of("\r\n") == text.npos) {
        must(coppice::cli::parse_csv_line(coppice::cli::csv_line(*fields)) == *fields, "fields come back");
        (void)coppice::cli::json_from_csv(*fields, text);
    }
    if (const auto page = coppice::read_s3_list(text, "p/"))
        must(page->entries.size() <= size, "a list has no more than it names");
    if (const auto ref = coppice::read_result_name(text))
        must(coppice::result_name(*ref) == text, "a name is an attempt's, and the attempt's is the name");
    if (const auto place = coppice::read_lines_name(text))
        must(coppice::lines_name(place->ref, place->last) == text, "so it is with lines");
    if (const auto line = coppice::log_line_from(text)) {
        const auto again = coppice::log_line_from(coppice::to_ndjson(*line));
        must(again && again->sequence == line->sequence && again->text == line->text, "a line comes back");
    }
    return 0;
}
