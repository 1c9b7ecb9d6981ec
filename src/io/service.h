// Being a service: signals as events, and the notify protocol of service managers (NOTIFY_SOCKET; no library
// needed).
#pragma once

#include <functional>
#include <initializer_list>
#include <string_view>

#include "io/loop.h"

namespace slipway::io {

// Runs `on_signal` on the loop for every delivery, until the loop ends. SIGPIPE is ignored from now on.
void on_signals(Loop& loop, std::initializer_list<int> numbers, std::function<void(int)> on_signal);

// Open files: the soft limit becomes the hard one (a server holds a descriptor or two a client).
void raise_file_limit();

// "READY=1", "STOPPING=1", "STATUS=...". Does nothing without NOTIFY_SOCKET.
void notify_service_manager(std::string_view state);

}  // namespace slipway::io
