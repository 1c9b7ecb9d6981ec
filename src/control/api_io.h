// Reading calls and writing answers of the control API: queries, bodies, JSON, operations as server-sent
// events.
#pragma once

#include <chrono>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "control/operation.h"
#include "io/http.h"
#include "store/audit.h"

namespace slipway::control {

// Who asks, for the audit log.
store::Actor caller(const io::Exchange& exchange);

// The value of a query parameter, percent-decoded; nullopt when absent.
std::optional<std::string> query(std::string_view target, std::string_view name);
// A path segment, percent-decoded.
std::string decode_segment(std::string_view text);
// A whole number of a query parameter, or `fallback`; bad_request names the parameter.
base::Result<std::int64_t> query_number(std::string_view target, std::string_view name, std::int64_t fallback,
                                        std::int64_t least, std::int64_t most);

// The body as a JSON object that has only `members`; an empty body is {}. bad_json, bad_request.
io::Task<base::Result<nlohmann::json>> read_object(io::Exchange& exchange,
                                                   std::initializer_list<std::string_view> members);
// A member of the right type, or `fallback`. bad_request names it.
base::Result<std::string> text_member(const nlohmann::json& body, const char* name);
base::Result<std::int64_t> number_member(const nlohmann::json& body, const char* name, std::int64_t fallback,
                                         std::int64_t least, std::int64_t most);
base::Result<std::vector<std::string>> list_member(const nlohmann::json& body, const char* name);

io::Task<base::Result<void>> answer(io::Exchange& exchange, const nlohmann::json& json, int status = 200);
io::Task<base::Result<void>> answer_error(io::Exchange& exchange, const base::Error& error);

// Streams what the operation says until it is over. The operation goes on when the caller leaves.
io::Task<base::Result<void>> answer_operation(io::Exchange& exchange, OperationPtr operation);
std::string server_sent_event(std::string_view name, std::string_view data);

}  // namespace slipway::control
