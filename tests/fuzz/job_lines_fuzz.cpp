// Jobs and graphs as NDJSON, in pieces of any size.
#include "runtime/cli/graph_lines.hpp"
#include "runtime/cli/job_line.hpp"
#include "runtime/cli/ndjson_reader.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

constexpr std::size_t line_size_max = 200;

std::vector<std::string> lines_of(std::string_view text, std::size_t piece) {
    coppice::cli::ndjson_reader reader{line_size_max};
    std::vector<std::string> lines;
    const auto take = [&] {
        while (const auto line = reader.next()) lines.push_back(std::to_string(line->number) + " " + line->text);
    };
    for (std::size_t at = 0; at < text.size(); at += piece) {
        reader.feed(text.substr(at, piece));
        take();
    }
    reader.end();
    take();
    return lines;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = coppice::fuzz::text_of(data, size);
    const auto whole = lines_of(text, size + 1);
    coppice::fuzz::must(whole == lines_of(text, 1) && whole == lines_of(text, 7),
                        "lines are the same in any pieces");
    (void)coppice::cli::parse_graph(text);
    const auto job = coppice::cli::parse_job_line(text);
    if (job) coppice::fuzz::must(job->payload.size() <= size, "a payload is a part of its line");
    return 0;
}
