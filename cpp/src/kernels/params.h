// What the launch code and the kernels share. Every structure has the same layout on both sides: fixed widths, members
// in order of falling alignment.
#pragma once

namespace trtd_kernels {

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

// Threads of a block, in every kernel.
constexpr u32 THREADS = 256;

// ---------------------------------------------------------------- letterbox

constexpr u32 TILE_COLUMNS = 128;
constexpr u32 TILE_ROWS = 8;

// A frame and its place in the model's input, in pixels of the input.
struct Frame {
  u64 pixels;  // packed RGB u8
  double step_x, step_y;  // frame pixels for one input pixel
  i32 source_width, source_height;
  i32 left, top, width, height;
};

struct LetterboxParams {
  u64 frames;  // Frame of each picture
  u64 out;     // [pictures, 3, height, width]
  i32 width, height;
  i32 half;      // f16 instead of f32
  i32 bgr;
  i32 unit;      // 0..1 instead of 0..255
  i32 reserved;
};

// ---------------------------------------------------------------- detections

// How the output tensors are laid out; the rows of src/detect/heads/heads.ts.
enum Layout : i32 {
  CHANNELS_FIRST = 0,       // [N, 4+C, A]
  ANCHORS_FIRST = 1,        // [N, A, 4+C]
  OBJECTNESS = 2,           // [N, A, 5+C]
  OBJECTNESS_GRID = 3,      // [N, A, 5+C] in cells
  END_TO_END = 4,           // [N, K, 6]
  BOXES_SCORES = 5,         // [N, A, 4] or [N, A, C, 4], [N, A, C], perhaps anchors [1 or N, A, 4]
  LOGITS_BOXES = 6,         // [N, Q, C], [N, Q, 4]
  LABELS_BOXES_SCORES = 7,  // [N, K], [N, K, 4], [N, K]
  COUNT_BOXES_SCORES_LABELS = 8  // [N, 1], [N, K, 4], [N, K], [N, K]
};

enum Element : i32 { F32 = 0, F16 = 1, I32 = 2, I64 = 3 };

struct Tensor {
  u64 data;
  i32 element;
  i32 reserved;
};

// What is asked of one picture.
struct Question {
  // Where the picture lies in the input, and its size: boxes beside it are left out when `placed`.
  double left, top, scale_x, scale_y, source_width, source_height;
  float score;  // lowest score
  float floor;  // no value of the tensor below it reaches `score`
  float iou;
  u32 max;
  u32 agnostic;
  u32 placed;
  u32 chosen;  // whether the bits of `wanted` count
  u32 reserved;
};

// Candidates that the list of one picture can hold; more are found again in the tensors.
constexpr u32 LIST = 32768;
// Rows of a tile of the matrix of overlaps.
constexpr u32 TILE = 64;
// Elements that one block of the first kernel looks at, at a time.
constexpr u32 FILTERED = 8 * THREADS;
// Candidates of one block of the second kernel.
constexpr u32 RANKED = 32;

struct Counters {
  u32 found;    // candidates at or over the lowest score
  u32 blocks;   // blocks of the first kernel that are done
  u32 reserved[2];
};

// A box in pixels of the input.
struct Found {
  float x1, y1, x2, y2;
  float score;
  i32 label;
};

struct ResultHead {
  u32 count;
  u32 found;
  u32 reserved[2];
};

struct DetectParams {
  Tensor tensors[4];
  u64 questions;  // Question of each picture
  u64 wanted;     // [pictures][wanted_words] bits, one for each label
  u64 counters;   // Counters of each picture
  u64 list;       // u64 [pictures][LIST]
  u64 best;       // u64 [pictures][ranked_max], filled when more than that were found
  u64 boxes;      // Found [pictures][ranked_max], by falling score
  u64 visible;    // u8 [pictures][ranked_max]
  u64 overlaps;   // u64 [pictures][overlap_words]
  u64 results;    // [pictures] of ResultHead and results_max Found
  u64 overlap_words;
  i32 layout;
  u32 anchors;    // A, K or Q
  u32 rows, columns;  // of the tensor that holds the scores: its strides
  u32 classes;
  i32 width, height;  // of the input
  double unit_x, unit_y;  // pixels of the input for one unit of a box
  u32 strides[4];
  u32 stride_count;
  u32 wanted_count;  // labels that `wanted` tells of
  u32 wanted_words;
  u32 ranked_max;   // candidates that are looked at, after sorting: 1..5000
  u32 results_max;
  u32 suppress;     // whether overlapping boxes are to be dropped
  u32 elements;     // elements that the first kernel looks at, for one picture
  u32 background;   // class that is never a detection, or one that no class has
  u32 center_size, box_of_class, anchor_sets;  // of BOXES_SCORES; 0, 1 or 2 sets: none, one, one for each picture
};

}  // namespace trtd_kernels
