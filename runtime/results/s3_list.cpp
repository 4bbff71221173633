#include "runtime/results/s3_list.hpp"

namespace coppice {

std::optional<std::string_view> next_s3_element(std::string_view xml, std::string_view name, std::size_t& at) {
    const std::string open = "<" + std::string{name} + ">", close = "</" + std::string{name} + ">";
    const std::size_t begin = xml.find(open, at);
    if (begin == std::string_view::npos) return std::nullopt;
    const std::size_t end = xml.find(close, begin);
    if (end == std::string_view::npos) return std::nullopt;
    at = end + close.size();
    return xml.substr(begin + open.size(), end - begin - open.size());
}

std::optional<object_store::page> read_s3_list(std::string_view xml, std::string_view prefix) {
    if (xml.find("<ListBucketResult") == std::string_view::npos) return std::nullopt;
    object_store::page page;
    std::size_t at = 0;
    page.more = next_s3_element(xml, "IsTruncated", at) == "true";
    at = 0;
    while (const auto contents = next_s3_element(xml, "Contents", at)) {
        std::size_t in_key = 0, in_time = 0;
        const auto key = next_s3_element(*contents, "Key", in_key);
        const auto time = next_s3_element(*contents, "LastModified", in_time);
        if (!key || !time || !key->starts_with(prefix)) return std::nullopt;
        const auto written = parse_rfc3339(*time);
        if (!written) return std::nullopt;
        page.entries.push_back({std::string{key->substr(prefix.size())}, *written});
    }
    return page;
}

} // namespace coppice
