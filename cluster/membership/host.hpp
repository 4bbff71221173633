// What may stand as the host of an address: a DNS name or an IP literal, in one spelling, so that a text that comes
// from a socket or an operator can go into a certificate, a key of the control store or a connect as it is.
//
// Used for the listeners of members and for the names in certificates. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace coppice {

// A DNS name of labels as is_name has them, at most limits::host_size_max bytes, no dot at the end, the last label
// not a number (1.2.3 would be an address to some resolvers). No wildcards.
bool is_dns_name(std::string_view text);

// The 4 or 16 bytes of an IPv4 or IPv6 literal (without brackets or zone) in its canonical spelling (RFC 5952);
// empty for anything else.
std::string ip_bytes(std::string_view text);

// Either of them.
bool is_host(std::string_view text);

} // namespace coppice
