// A blocking HTTP face with faults: one thread a connection, our own bytes (so that it can send what no
// server would).
#pragma once

#include "engine.h"

namespace slipway::fake {

// Accepts on `listener` for ever.
void serve(int listener, Engine& engine);

}  // namespace slipway::fake
