#include "kube/port_forward.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>

#include "io/tool.h"
#include "io/wait.h"
#include "kube/kubectl.h"

namespace slipway::kube {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr auto kOpenTime = std::chrono::seconds(30);

// "Forwarding from 127.0.0.1:40123 -> 8000"
std::optional<std::uint16_t> port_in(std::string_view words) {
  constexpr std::string_view kBefore = "Forwarding from 127.0.0.1:";
  const auto at = words.find(kBefore);
  if (at == std::string_view::npos) return std::nullopt;
  words.remove_prefix(at + kBefore.size());
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(words.data(), words.data() + words.size(), port);
  // Cut within the number: more is to come.
  if (failed != std::errc() || end == words.data() + words.size()) return std::nullopt;
  return port;
}

}  // namespace

Result<PortForward> PortForward::open(const std::filesystem::path& kubeconfig, const std::string& context,
                                      const std::string& name_space, const std::string& target,
                                      std::uint16_t port) {
  SLIPWAY_TRY(const io::Tool tool, io::find_tool(kubectl_need()));
  SLIPWAY_TRY(auto pipe, io::make_pipe());
  io::ProcessSpec spec;
  spec.program = tool.path;
  spec.arguments = {"--kubeconfig=" + kubeconfig.string(), "--namespace=" + name_space};
  if (!context.empty()) spec.arguments.push_back("--context=" + context);
  spec.arguments.insert(spec.arguments.end(),
                        {"port-forward", "--address=127.0.0.1", target, fmt::format(":{}", port)});
  spec.environment = io::tool_environment();
  spec.stderr_to = &pipe.second;
  SLIPWAY_TRY(io::Process child, io::Process::spawn(spec));
  pipe.second = io::Fd();

  std::string said;
  const base::Deadline deadline = base::Deadline::after(kOpenTime);
  while (io::wait_ready(pipe.first.get(), io::Ready::readable, deadline.left(base::monotonic_now()))) {
    std::array<char, 1024> piece{};
    const auto count = ::read(pipe.first.get(), piece.data(), piece.size());
    if (count <= 0) {
      while (said.ends_with('\n')) said.pop_back();
      return Error(ErrorCode::unreachable_endpoint, fmt::format("kubectl found no way to {}", target))
          .with_detail(std::move(said));
    }
    said.append(piece.data(), static_cast<std::size_t>(count));
    if (const auto local = port_in(said))
      return PortForward(std::move(child), std::move(pipe.first),
                         domain::Endpoint{.path = {}, .host = "127.0.0.1", .port = *local});
  }
  return Error(ErrorCode::timeout,
               fmt::format("kubectl made no way to {} within {}", target, base::human_duration(kOpenTime)))
      .with_detail(std::move(said));
}

}  // namespace slipway::kube
