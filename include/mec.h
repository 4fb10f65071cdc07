/* mec from C: encoders of images that were trained without labels, the losses they are trained
 * with, and their training in your own loop. C99; docs/embedding.md has a program of each kind.
 *
 * Every call returns MEC_OK or what went wrong; mec_last_error() then says it in words. Nothing is
 * printed, no call ends the process, and no exception leaves the library. Where a call fails, what
 * it was to write is undetermined, and handles are as they were, unless it says otherwise.
 *
 * A handle belongs to who opened it, until it is freed. Any thread may use it; calls on one handle
 * wait for each other, calls on different handles run at the same time. A handle that was freed is
 * told from one that is open, always. Handles do not survive fork(). Arrays belong to the caller,
 * are dense and row-major, and are not kept after the call; those that are written must not overlap
 * others. Texts are UTF-8 and end with 0.
 *
 * A program that was compiled against one version of this header runs with every later library of
 * the same MEC_ABI: structs with a member `size` grow at their end, which it tells, the others never
 * change, and nothing that is there changes its meaning. */
#ifndef MEC_H
#define MEC_H

#include <stddef.h>
#include <stdint.h>

#if defined(MEC_BUILDS_LIBRARY) && defined(__GNUC__)
#define MEC_API __attribute__((visibility("default")))
#else
#define MEC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define MEC_ABI 1 /* as the library's file name has it: libmec.so.1 */

/* "0.1.0", of the library. */
MEC_API const char* mec_version(void);

typedef enum mec_status {
  MEC_OK = 0,
  MEC_ERROR_HANDLE = 1,    /* null, freed, or of another kind; or the address of a result is null */
  MEC_ERROR_SHAPE = 2,     /* sizes that do not fit together */
  MEC_ERROR_DTYPE = 3,     /* an element type that the call does not take */
  MEC_ERROR_VALUE = 4,     /* an argument is null or out of range, or a setting is, or is not known */
  MEC_ERROR_IO = 5,        /* a file that is missing, damaged, or cannot be written */
  MEC_ERROR_NUMERICAL = 6, /* a result that is not finite, a series that does not converge */
  MEC_ERROR_MEMORY = 7,    /* too little memory */
  MEC_ERROR_DEVICE = 8,    /* a device that is not there, or that refuses work */
  MEC_ERROR_OTHER = 9
} mec_status;

/* One line: the call, which rule, both values, what to do. Of the last call in this thread that
 * failed; "" where none has. Valid until the next call that fails in this thread. */
MEC_API const char* mec_last_error(void);

typedef enum mec_dtype { MEC_U8 = 0, MEC_F32 = 1, MEC_F64 = 2 } mec_dtype;

/* Where a handle computes. Null stands for MEC_DEVICE_INIT: the CPU. Each handle has a device of its
 * own, with its threads. */
typedef struct mec_device {
  size_t size;         /* sizeof(mec_device) */
  const char* name;    /* "cpu"; "cuda": an NVIDIA GPU; "reference": plain loops. Null: "cpu" */
  const char* kernels; /* of the CPU: "auto", "own", or "libraries" (oneDNN, OpenBLAS). Null: "auto" */
  int32_t threads;     /* of the CPU; 0: OMP_NUM_THREADS, or one for each processor */
  int32_t gpu;         /* its number; calls make it the current GPU of their thread */
  int32_t tf32;        /* of the GPU; not 0: f32 operands are rounded to TF32 */
  int32_t reserved;    /* 0 */
} mec_device;
#define MEC_DEVICE_INIT \
  { sizeof(mec_device), NULL, NULL, 0, 0, 0, 0 }

/* Images (count,height,width,channels). The struct never changes. */
typedef struct mec_images {
  const void* pixels;
  mec_dtype dtype;
  int64_t count, height, width, channels;
} mec_images;

/* Numbers by name, "loss" first where there is one. They belong to the thread that was given them,
 * until its next call that gives some, on whatever handle. The struct never changes. */
typedef struct mec_figures {
  int64_t count;
  const char* const* names; /* (count) */
  const double* values;     /* (count) */
} mec_figures;

/* ---- An encoder: from images to features. */

typedef struct mec_encoder mec_encoder;

typedef struct mec_encoder_info {
  size_t size;        /* sizeof(mec_encoder_info), set by the caller */
  int64_t channels;   /* of its images: 1 or 3 */
  int64_t image_size; /* pixels on a side of what it sees */
  int64_t features;   /* d, the width of a feature vector */
  double mean[3];     /* of each channel: it sees (x - mean)/std, with pixels x in [0, 1] */
  double std[3];
} mec_encoder_info;

/* source: the folder of a run, or a weights file (.safetensors) that says what network it is, as
 * mec writes them. MEC_ERROR_IO where it is neither. */
MEC_API mec_status mec_encoder_open(const char* source, const mec_device* device, mec_encoder** encoder);
MEC_API mec_status mec_encoder_describe(mec_encoder* encoder, mec_encoder_info* info);

/* features (images->count, d), f32: those that `mec embed` writes for the same pixels, to the bit.
 *
 * MEC_U8 are pixels as files have them. Where they are not image_size on a side, the shorter side is
 * resized to 8/7 of it and the centre is cut out; they are then normalised. MEC_F32 are normalised
 * already, finite, and taken as they are, in any size. MEC_ERROR_SHAPE for other channels than the
 * encoder's. Any number of images may be given: they pass the network 256 at a time. */
MEC_API mec_status mec_encoder_embed(mec_encoder* encoder, const mec_images* images, float* features);
MEC_API mec_status mec_encoder_free(mec_encoder* encoder);

/* ---- An objective: the loss of a method for embeddings, with its gradients. */

typedef struct mec_objective mec_objective;

/* settings: TOML text as in a settings file. Of it count `method`, "mec" where it is missing, and
 * the method's own section:
 *
 *     method = "mec"
 *     [mec]
 *     eps2 = 64
 *     order = 4
 *
 * MEC_ERROR_VALUE for a setting that is not known or out of range. Null: all defaults. */
MEC_API mec_status mec_objective_open(const char* settings, const mec_device* device, mec_objective** objective);

typedef struct mec_embeddings {
  size_t size;       /* sizeof(mec_embeddings) */
  mec_dtype dtype;   /* of all arrays: MEC_F32 or MEC_F64, which is computed in */
  int64_t m, d;      /* rows, and their width */
  const void *p, *z; /* (m,d): of two views of the same images, or a student's and its teacher's */
  const void* queue; /* (queue_rows,d): keys of earlier batches, for moco-v2 alone; else null */
  int64_t queue_rows;
  void *dp, *dz; /* (m,d): the gradients of the loss, or null, where one is not wanted */
} mec_embeddings;
#define MEC_EMBEDDINGS_INIT \
  { sizeof(mec_embeddings), MEC_F32, 0, 0, NULL, NULL, NULL, 0, NULL, NULL }

/* Rows need not have unit length, which the method scales as it needs. MEC_ERROR_VALUE for a row
 * longer than 1e15 (f32) or 1e150 (f64), or shorter than 1e-12 where the method divides by the
 * length, as all but barlow-twins, swav and vicreg do. figures may be null.
 *
 * Of mec the figures are loss, coding_length (nats), spectral_norm, eps2_effective; with
 * on_divergence = "warn" they are those of `mec loss mec`. The coding length is
 * -(m + d)/2 d/eps2_effective times the loss. */
MEC_API mec_status mec_objective_evaluate(mec_objective* objective, const mec_embeddings* embeddings, mec_figures* figures);
MEC_API mec_status mec_objective_free(mec_objective* objective);

/* ---- A trainer: the caller has the images, and takes the steps. */

typedef struct mec_trainer mec_trainer;

typedef struct mec_trainer_options {
  size_t size;            /* sizeof(mec_trainer_options) */
  int64_t images;         /* in the data set; or, where they come without end, so many make an
                         epoch. 0: those of a batch, so that each step is an epoch */
  int64_t channels;       /* of the images: 1 or 3 */
  const char* folder;     /* of the run, with the files that `mec pretrain` writes. Null: none is written
                         but what mec_trainer_save_... is asked for */
  int32_t resume;         /* not 0: goes on with the run in that folder; begins where there is none */
  const char* checkpoint; /* without a folder: a checkpoint, or the folder of a run, to go on from.
                             Null: the run begins */
  /* Is told, in the thread of the call, what a user should know, as that embeddings collapse; one
     line. May be null. It calls nothing of this library on the same handle. */
  void (*note)(const char* line, void* context);
  void* context;
} mec_trainer_options;
#define MEC_TRAINER_OPTIONS_INIT \
  { sizeof(mec_trainer_options), 0, 3, NULL, 0, NULL, NULL, NULL }

/* settings: TOML text, all that a settings file of `mec pretrain` may hold; data.mean and data.std
 * must be there, data.path and data.workers have no effect. A run has train.epochs of
 * images/train.batch steps.
 *
 * For the same settings, images and device, weights and checkpoints are those of `mec pretrain`, to
 * the bit, and each goes on from the other's. No file but those named is touched, and no thread is
 * started but the device's, and one that writes the folder's checkpoints. */
MEC_API mec_status mec_trainer_open(const char* settings, const mec_trainer_options* options, const mec_device* device,
                                    mec_trainer** trainer);

typedef struct mec_trainer_info {
  size_t size;   /* sizeof(mec_trainer_info), set by the caller */
  int64_t batch; /* images of a step */
  int64_t views; /* of each image */
  int64_t steps; /* of the whole run */
  int64_t steps_per_epoch;
  int64_t steps_done; /* above 0 at once in a run that goes on */
} mec_trainer_info;
MEC_API mec_status mec_trainer_describe(mec_trainer* trainer, mec_trainer_info* info);

/* numbers (batch): which images of the data set the next step takes, in [0, images): another order
 * in each epoch, drawn from train.seed. Where images come without end, leave it out. */
MEC_API mec_status mec_trainer_next(mec_trainer* trainer, int64_t* numbers);

/* One step, on `batch` images of type MEC_U8, of any one size. figures, which may be null: loss,
 * what the method measures, lr, ema (with an averaged teacher), what the method schedules, and
 * skipped: 1 where train.on_nonfinite = "skip" left such a step out.
 *
 * MEC_ERROR_VALUE after the last step. MEC_ERROR_NUMERICAL where the loss or a gradient is not
 * finite. A step that fails once it has begun ends the run: further steps are MEC_ERROR_VALUE. But
 * MEC_ERROR_IO is told after the last step, where a file of the folder cannot be written: the step is
 * done, and mec_trainer_finish() tries the file again. */
MEC_API mec_status mec_trainer_step(mec_trainer* trainer, const mec_images* images, mec_figures* figures);

/* The same on views that the caller made in a way of its own: views (count) of type MEC_F32, each
 * (batch,size,size,channels) with the size of that view (augment.size), normalised. */
MEC_API mec_status mec_trainer_step_views(mec_trainer* trainer, const mec_images* views, int64_t count, mec_figures* figures);

/* A copy of the encoder as it is now, which the caller frees. */
MEC_API mec_status mec_trainer_encoder(mec_trainer* trainer, mec_encoder** encoder);
/* Its weights, safetensors under torchvision's names. The file is replaced as a whole, or not at
 * all. */
MEC_API mec_status mec_trainer_save_encoder(mec_trainer* trainer, const char* file);
/* All that training changes; a run that goes on from it ends with the bits of one that was never
 * stopped. After the first step. */
MEC_API mec_status mec_trainer_save_checkpoint(mec_trainer* trainer, const char* file);
/* Ends training: the last files of the folder are written, as where `mec pretrain` is stopped, and
 * the folder is no longer locked. No step follows; mec_trainer_encoder and mec_trainer_save_... still
 * work. MEC_ERROR_IO where a file cannot be written, as on a full disk: the call may be made again
 * until it succeeds, and the folder is locked until then, or until the trainer is freed. */
MEC_API mec_status mec_trainer_finish(mec_trainer* trainer);
/* Without mec_trainer_finish(), the folder's newest checkpoint is the one before. */
MEC_API mec_status mec_trainer_free(mec_trainer* trainer);

#ifdef __cplusplus
}
#endif

#endif /* MEC_H */
