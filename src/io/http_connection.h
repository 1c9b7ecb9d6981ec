// One accepted connection: reads requests one after the other, hands each to the handler, writes its answer.
//
// Pipelined requests wait in the input buffer and are answered in order; nothing more is read meanwhile.
// Memory of a connection that streams an answer: about 3 KiB plus the request's head and body. Internal to
// io/.
#pragma once

#include <boost/intrusive/list.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "io/address.h"
#include "io/event.h"
#include "io/http.h"
#include "io/http_buffer.h"
#include "io/http_text.h"
#include "io/socket.h"

namespace slipway::io {

struct ServerCore;

class ServerConnection final
    : public Exchange,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  ServerConnection(std::shared_ptr<ServerCore> core, Fd fd, const SocketAddress& peer);
  ~ServerConnection() override;
  static Task<> run(std::shared_ptr<ServerConnection> self);

  bool idle() const { return !busy_ && in_.size() == 0; }
  void cut() { socket_.cut(Socket::Cut::cancelled); }

  const codec::HttpHead& head() const override { return head_; }
  std::string_view peer_address() const override { return peer_; }
  std::optional<PeerProcess> peer() const override;
  Task<base::Result<std::string_view>> body() override;
  Task<base::Result<void>> respond(int status, Headers headers, std::string_view body) override;
  base::Result<void> start_stream(int status, Headers headers) override;
  Task<base::Result<void>> write(std::string_view data) override;
  bool try_write(std::string_view data) override;
  Task<base::Result<void>> finish() override;
  void abort() override { aborted_ = true; }
  bool responded() const override { return answer_ != Answer::none; }
  bool client_gone() const override { return socket_.hung_up() || socket_.broken(); }
  void on_client_gone(std::function<void()> on_gone) override;

 private:
  enum class Answer { none, streaming, complete };
  enum class Read { ready, wait, refused, closed };

  Read read_head();
  Read parse();
  base::MonotonicTime head_deadline();
  void begin_exchange();
  bool keep_alive() const;
  bool body_is_here() const;
  // The exchange is over and the connection may take the next request without waiting for anything.
  bool settle();
  Task<bool> settle_slowly();
  Task<> refuse();
  Task<> close_gently();

  Task<base::Result<std::string_view>> read_length_body();
  Task<base::Result<std::string_view>> read_chunked_body();
  base::Result<void> decode(std::string_view bytes, codec::ChunkedDecoder& decoder, bool& done);
  void send_continue();
  base::Error fail(base::Error error);
  base::Error read_failed(ssize_t n) const;
  bool send_piece(std::string_view data);
  base::Error write_failed() const;

  std::shared_ptr<ServerCore> core_;
  Socket socket_;
  std::string peer_;
  codec::HttpHead head_;
  HttpBuffer in_;
  std::size_t used_ = 0;                // bytes of in_ that belong to this exchange
  HttpBuffer body_;                     // when it does not fit behind the head in in_, or came in chunks
  std::string leftover_;                // pipelined bytes behind a chunked body
  std::string stream_head_;             // not sent yet
  std::optional<base::Error> failure_;  // answered when the handler does not
  base::MonotonicTime head_started_{};
  Answer answer_ = Answer::none;
  bool busy_ = false;
  bool unparsed_ = false;  // in_ has bytes that were not looked at
  bool body_taken_ = false;
  bool must_close_ = false;
  bool aborted_ = false;
  bool chunked_ = false;  // of the answer
};

// What a server shares with its connections, which may outlive it.
struct ServerCore {
  ServerCore(Loop& l, HttpServerOptions o, HttpServer::Handler h)
      : loop(l), options(std::move(o)), handler(std::move(h)) {}
  Loop& loop;
  const HttpServerOptions options;
  const HttpServer::Handler handler;
  HttpServer::Stats stats;
  DateLine date;
  std::string head;  // scratch of the head being written
  bool draining = false;
  Event gone;  // a connection ended
  std::map<std::string, std::size_t> per_peer;
  boost::intrusive::list<ServerConnection, boost::intrusive::constant_time_size<false>> connections;
};

}  // namespace slipway::io
