// Blocking work beside a loop: run_on() runs a function on another loop's thread and resumes the caller on
// its own.
//
//   const auto file = co_await io::run_on(jobs, [path] { return read_file(path); });
// The function must own what it uses: the caller may be destroyed before it ends. Its result is moved back.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>

#include "io/loop.h"

namespace slipway::io {

template <class F>
Task<std::invoke_result_t<F>> run_on(Loop& other, F work) {
  using T = std::invoke_result_t<F>;
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(T)>(
      [&other](auto handler, F task) {
        const auto home = asio::get_associated_executor(handler);
        // The guard keeps the caller's loop alive while the work runs elsewhere.
        other.post([handler = std::move(handler), task = std::move(task),
                    guard = asio::make_work_guard(home)]() mutable {
          auto result = std::make_shared<T>(task());  // shared: Asio may copy the completion handler
          asio::post(guard.get_executor(),
                     [handler = std::move(handler), result]() mutable { handler(std::move(*result)); });
        });
      },
      asio::use_awaitable, std::move(work));
}

}  // namespace slipway::io
