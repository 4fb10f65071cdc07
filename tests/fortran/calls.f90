! What the module gives and refuses: a loss by hand, its gradients, and a status for each mistake.
! `calls full`: where a disk takes nothing more of full.*, as fortran.cmake has it.
program calls
  use, intrinsic :: iso_fortran_env, only: error_unit, int8, int64, real32, real64
  use, intrinsic :: ieee_arithmetic, only: ieee_is_nan
  use mec
  implicit none

  character(*), parameter :: nl = new_line("a")
  character(*), parameter :: settings = &
      "[model]" // nl // "arch = 'resnet10'" // nl // "stem = 'cifar'" // nl // "width = 4" // nl // &
      "dim = 8" // nl // "pred_hidden = 4" // nl // &
      "[train]" // nl // "epochs = 2" // nl // "batch = 4" // nl // "warmup_epochs = 0" // nl // &
      "[mec]" // nl // "lambda_warmup_epochs = 0" // nl // &
      "[data]" // nl // "mean = [0.5]" // nl // "std = [0.5]" // nl // &
      "[augment]" // nl // "size = 8" // nl
  real(real64), parameter :: rows(2, 2) = reshape([1, 0, 0, 1], [2, 2])
  real(real64) :: loss, dp(2, 2), wide(3, 2)
  integer(int8) :: images(1, 9, 8, 4)
  integer(int64) :: numbers(4), room(7)
  real(real32) :: features(32, 4), few(32, 3)
  type(mec_objective) :: objective
  type(mec_trainer) :: trainer
  type(mec_encoder) :: encoder
  type(mec_encoder_info) :: info
  type(mec_trainer_info) :: run
  integer :: status, i, unit
  character(80) :: file = "fortran_calls.safetensors"

  call check_unopened()
  if (command_argument_count() == 1) then
    call check_full_disk()
    stop
  end if

  call mec_objective_open(objective, "[mec]" // nl // "eps2 = 4" // nl // "exact = true")
  call mec_objective_loss(objective, rows, rows, loss, dp)
  call expect(abs(loss + 4 * log(1.25_real64)) < 1e-12_real64, "the loss is the one by hand")
  call expect(maxval(abs([dp(1, 1), dp(2, 2)])) < 1e-12_real64, "no gradient leads along unit rows")
  call mec_objective_loss(objective, rows, wide, loss, status=status)
  call expect_error(mec_error_shape, "one shape (d,m), that of p is (2,2)", "embeddings of two shapes are refused")
  call mec_objective_open(objective, "", status=status)
  call expect_error(mec_error_value, "mec_objective_open: this objective is open already", "an open objective is not lost")
  call mec_objective_free(objective)
  call mec_objective_loss(objective, rows, rows, loss, status=status)
  call expect_error(mec_error_handle, "the objective is null", "an objective that was freed is told")
  call mec_objective_open(objective, "")
  call mec_objective_free(objective)

  call mec_trainer_open(trainer, "[train]" // nl // "lr2 = 1", channels=1, status=status)
  call expect_error(mec_error_value, "lr2", "an unknown setting is told")
  call mec_trainer_open(trainer, settings, channels=1, images=4_int64)
  call mec_trainer_open(trainer, settings, channels=1, status=status)
  call expect_error(mec_error_value, "mec_trainer_open: this trainer is open already", "an open trainer is not lost")
  call mec_trainer_next(trainer, numbers)
  call expect(sum(numbers) == 6, "each image is taken once")
  room = -1
  call mec_trainer_next(trainer, room(1:2), status)
  call expect_error(mec_error_shape, "numbers must be (batch) = (4), but are (2)", "too little room for numbers is told")
  call expect(all(room == -1), "nothing is written where there is no room")
  images = reshape([(int(mod(37 * i, 256) - 128, int8), i = 1, size(images))], shape(images))
  call mec_trainer_step(trainer, images, loss)
  call expect(abs(loss) < 2 .and. abs(loss) > 0, "a step has its loss")
  call expect(mec_trainer_figure(trainer, "coding_length") * loss < 0, "a step has its other figures")
  call expect(ieee_is_nan(mec_trainer_figure(trainer, "nothing")), "others are not a number")
  call mec_trainer_step(trainer, images(:, :, :, 1:3), status=status)
  call expect_error(mec_error_shape, "but got (3,8,9,1)", "a wrong batch is told")
  call mec_trainer_describe(trainer, run)
  call expect(all([run%batch, run%views, run%steps, run%steps_per_epoch, run%steps_done] == [4, 2, 2, 1, 1]), &
      "the trainer says how far it is")
  call mec_trainer_encoder(trainer, encoder)
  call mec_trainer_encoder(trainer, encoder, status)
  call expect_error(mec_error_value, "mec_trainer_encoder: this encoder is open already", "an open encoder is not lost")
  call mec_encoder_describe(encoder, info)
  call expect(info%features == 32 .and. info%channels == 1, "the encoder says what it is")
  call expect(abs(info%mean(1) - 0.5_real64) < 1e-9_real64, "the encoder says how it normalises")
  call mec_encoder_embed(encoder, images, features)
  call expect(all(abs(features) < huge(1.0)) .and. any(abs(features(:, 1) - features(:, 2)) > 0), "images differ in features")
  call mec_encoder_embed(encoder, images, few, status)
  call expect_error(mec_error_shape, "features must be (d,count) = (32,4), but are (32,3)", "too few features are told")
  call mec_encoder_free(encoder)
  call mec_encoder_embed(encoder, images, features, status)
  call expect_error(mec_error_handle, "the encoder is null", "an encoder that was freed is told")
  call mec_trainer_save_encoder(trainer, file)
  call mec_trainer_free(trainer)
  call expect(ieee_is_nan(mec_trainer_figure(trainer, "loss")), "a trainer that was freed has no figures")
  call mec_trainer_step(trainer, images, status=status)
  call expect_error(mec_error_handle, "the trainer is null", "a trainer that was freed is told")
  call mec_encoder_open(encoder, file)  ! with the blanks at its end
  call mec_encoder_free(encoder)
  open (newunit=unit, file=file, status="old")
  close (unit, status="delete")
  call mec_encoder_open(encoder, "no such folder", status=status)
  call expect_error(mec_error_io, "no such folder", "a missing file is told")

contains

  subroutine check_unopened()
    call mec_encoder_free(encoder, status)
    call expect_error(mec_error_handle, "mec_encoder_free: the encoder is null", "an encoder that was never opened is told")
    call mec_objective_free(objective, status)
    call expect_error(mec_error_handle, "mec_objective_free: the objective is null", "and such an objective")
    call mec_trainer_finish(trainer, status)
    call expect_error(mec_error_handle, "mec_trainer_finish: the trainer is null", "and such a trainer")
  end subroutine

  subroutine check_full_disk()
    character(*), parameter :: files(2) = ["full.encoder   ", "full.checkpoint"]
    logical :: there(2)
    call mec_trainer_open(trainer, settings, channels=1, images=4_int64)
    images = 7
    call mec_trainer_step(trainer, images)
    call mec_trainer_save_encoder(trainer, files(1), status)
    call expect_error(mec_error_io, "mec_trainer_save_encoder: cannot write full.encoder", "a full disk is told")
    call mec_trainer_save_checkpoint(trainer, files(2), status)
    call expect_error(mec_error_io, "mec_trainer_save_checkpoint: cannot write full.checkpoint", "and for checkpoints")
    inquire (file=files(1), exist=there(1))
    inquire (file=files(2), exist=there(2))
    call expect(.not. any(there), "no half of a file is left")
    call mec_trainer_step(trainer, images)  ! training goes on
    call mec_trainer_free(trainer)
  end subroutine

  subroutine expect(good, what)
    logical, intent(in) :: good
    character(*), intent(in) :: what
    if (good) return
    write (error_unit, "(4a)") "expected that ", what, "; the last error is ", mec_last_error()
    error stop 1
  end subroutine

  subroutine expect_error(code, why, what)
    integer, intent(in) :: code
    character(*), intent(in) :: why, what
    character(:), allocatable :: said
    said = mec_last_error()
    call expect(status == code, what)
    call expect(index(said, why) > 0, what)
  end subroutine

end program calls
