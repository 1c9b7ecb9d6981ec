# Headers that nearly every file parses, parsed once a build: more than half of a cold build otherwise.
#
# Only the release preset does it (SLIPWAY_PRECOMPILE); dev and tsan compile every file by itself, so a file that
# forgets an include fails there. Modules from io upwards get Asio too; engine and worker see the nlohmann/json of
# llama.cpp, which need not be the system's, so they get neither.
option(SLIPWAY_PRECOMPILE "Precompile common headers" OFF)

set(slipway_pch_plain_headers
  <algorithm> <array> <chrono> <expected> <filesystem> <functional> <map> <memory> <optional> <span> <string>
  <string_view> <utility> <variant> <vector> <fmt/format.h> ${CMAKE_SOURCE_DIR}/src/base/result.h)
set(slipway_pch_json_headers ${slipway_pch_plain_headers} <nlohmann/json.hpp>)
set(slipway_pch_asio_headers ${slipway_pch_json_headers} <atomic> <deque> <mutex> <stop_token> <thread>
  <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/io_context.hpp> <boost/asio/post.hpp>
  <boost/asio/posix/stream_descriptor.hpp> <boost/asio/redirect_error.hpp> <boost/asio/steady_timer.hpp>
  <boost/asio/this_coro.hpp> <boost/asio/use_awaitable.hpp>)
set(slipway_pch_asio_above io store supervisor gateway control kube cloud environment cli)
set(slipway_pch_json_above codec)

function(slipway_precompile module target)
  if(NOT SLIPWAY_PRECOMPILE)
    return()
  endif()
  set(kind plain)
  foreach(other json asio)
    if(module IN_LIST slipway_pch_${other}_above)
      set(kind ${other})
    endif()
  endforeach()
  if(NOT TARGET slipway_pch_${kind})
    file(WRITE ${CMAKE_BINARY_DIR}/pch_${kind}.cc "// Carries the precompiled headers.\n")
    add_library(slipway_pch_${kind} OBJECT ${CMAKE_BINARY_DIR}/pch_${kind}.cc)
    target_link_libraries(slipway_pch_${kind} PRIVATE slipway_flags fmt::fmt nlohmann_json::nlohmann_json
      $<$<STREQUAL:${kind},asio>:slipway_asio>)
    # A timestamp inside would make every rebuilt one a different one for ccache.
    target_compile_options(slipway_pch_${kind} PRIVATE "SHELL:-Xclang -fno-pch-timestamp" -fpch-instantiate-templates)
    target_precompile_headers(slipway_pch_${kind} PRIVATE ${slipway_pch_${kind}_headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM slipway_pch_${kind})
endfunction()
