// Which addresses are the world's, and which are this machine's, this network's or nobody's.
#pragma once

#include <sys/socket.h>

namespace coppice {

// Whether anybody may be meant: not loopback, private, link-local (where clouds keep their credentials), shared,
// multicast, reserved or for documentation, nor an IPv6 address that stands for such an IPv4 one. Of IPv6 only what
// is given out (2000::/3) can be. Source: IANA's special-purpose address registries (RFC 6890), as of 2025.
bool is_public(const sockaddr& address);

} // namespace coppice
