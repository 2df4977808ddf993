// Drives the copying of frames, alone, for runs under AddressSanitizer, UBSan and ThreadSanitizer: every byte arrives, no
// other is touched, in order, with and without the helping threads. Prints "fine" or the first thing wrong.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "copier.h"

namespace {

using trtd::CopyJob;
using trtd::Piece;
using trtd::Stores;

constexpr unsigned char UNTOUCHED = 0xa5;

void expect(bool condition, char const* what) {
  if (condition) return;
  printf("wrong: %s\n", what);
  exit(1);
}

struct Random {
  unsigned state;
  unsigned below(unsigned limit) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
  }
};

// Memory of several pieces with gaps between them, and what must be there afterwards.
struct Case {
  std::vector<std::vector<unsigned char>> from;
  std::vector<unsigned char> to, expected;
  std::vector<Piece> pieces;

  Case(Random& random, size_t count, unsigned bytesMax) {
    size_t end = random.below(64);
    std::vector<size_t> places;
    for (size_t i = 0; i < count; ++i) {
      // Sources begin anywhere, and end where their memory ends.
      unsigned const bytes = 1 + random.below(bytesMax), ahead = random.below(20);
      from.emplace_back(ahead + bytes);
      for (unsigned char& one : from.back()) one = static_cast<unsigned char>(random.below(256));
      pieces.push_back({nullptr, from.back().data() + ahead, bytes});
      places.push_back(end);
      end += bytes + random.below(40);
    }
    to.assign(end, UNTOUCHED);
    expected = to;
    for (size_t i = 0; i < count; ++i) {
      pieces[i].to = to.data() + places[i];
      memcpy(expected.data() + places[i], pieces[i].from, pieces[i].bytes);
    }
  }
};

void single() {
  Random random{1};
  for (Stores const stores : {Stores::plain, Stores::streaming}) {
    for (int run = 0; run < 400; ++run) {
      Case one(random, 3, run % 2 == 0 ? 200 : 5000);
      size_t next = 0;
      trtd::copyPieces(one.pieces, stores, [&](size_t i) { expect(i == next++, "the order"); });
      expect(next == 3 && one.to == one.expected, "what one thread copied");
    }
  }
}

// Jobs of several threads at once, each used again and again, with more pieces and fewer.
void together() {
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < 4; ++worker) {
    threads.emplace_back([worker] {
      Random random{worker + 7};
      std::shared_ptr<CopyJob> job;
      for (int run = 0; run < 60; ++run) {
        Case one(random, 1 + random.below(40), 30000);
        Stores const stores = run % 2 == 0 ? Stores::plain : Stores::streaming;
        size_t next = 0;
        trtd::copyTogether(one.pieces, stores, job, [&](size_t i) {
          expect(i == next++, "the order with help");
          expect(memcmp(one.pieces[i].to, one.pieces[i].from, one.pieces[i].bytes) == 0, "a piece that is told of");
        });
        expect(next == one.pieces.size() && one.to == one.expected, "what several threads copied");
      }
    });
  }
  for (std::thread& one : threads) one.join();
}

// A failure in the middle: nothing is written once it is told, and the job goes on being used.
void failing() {
  Random random{99};
  std::shared_ptr<CopyJob> job;
  for (int run = 0; run < 60; ++run) {
    Case one(random, 30, 20000);
    size_t const at = random.below(30);
    bool failed = false;
    try {
      trtd::copyTogether(one.pieces, Stores::plain, job, [&](size_t i) {
        if (i == at) throw std::runtime_error("no");
      });
    } catch (std::runtime_error const&) {
      failed = true;
    }
    expect(failed, "the failure");
    // Under the sanitizers a late store would be seen.
    std::vector<unsigned char>().swap(one.to);
    one.from.clear();
    Case after(random, 5, 9000);
    trtd::copyTogether(after.pieces, Stores::streaming, job, [](size_t) {});
    expect(after.to == after.expected, "what is copied after a failure");
  }
}

}  // namespace

int main() {
  single();
  together();
  failing();
  puts("fine");
}
