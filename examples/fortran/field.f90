! A simulation that watches itself. Sixteen copies of a 2-D field are stepped: heat that is stirred
! by random sources. While they run, an encoder is trained on the fields as they come, and nothing
! is written to a disk. Then one copy takes too long a time step and becomes unstable: the program
! says which one, by its distance to all that was seen before.
!
! The steps of training take most of the time: half a minute on two cores.
program field
  use, intrinsic :: iso_fortran_env, only: int8, real32, real64
  use mec
  implicit none

  integer, parameter :: side = 32, copies = 16, training = 150, watching = 8, broken = 11
  character(*), parameter :: nl = new_line("a")
  character(*), parameter :: settings = &
      "[model]" // nl // "arch = 'resnet10'" // nl // "stem = 'cifar'" // nl // "width = 8" // nl // &
      "dim = 64" // nl // "pred_hidden = 16" // nl // &
      "[mec]" // nl // "eps2 = 16" // nl // "lambda_warmup_epochs = 0" // nl // &
      "[train]" // nl // "epochs = 150" // nl // "batch = 16" // nl // "lr = 0.2" // nl // "warmup_epochs = 10" // nl // &
      "ema = 0.9" // nl // &
      "[data]" // nl // "mean = [0.5]" // nl // "std = [0.25]" // nl // &
      "[augment]" // nl // "size = 32" // nl // "scale_min = 0.5" // nl // "blur_probability = 0" // nl // &
      "solarize_probability = 0" // nl

  real(real64) :: heat(side, side, copies), loss
  integer(int8) :: images(1, side, side, copies)
  real(real32), allocatable :: seen(:, :), now(:, :)
  real(real64) :: distance(copies), usual
  type(mec_trainer) :: trainer
  type(mec_encoder) :: encoder
  type(mec_encoder_info) :: info
  integer :: step, copy

  call random_seed(put=[(3 * step + 1, step = 1, 64)])
  heat = 0
  do step = 1, 100
    call advance(heat, 0.2_real64)
  end do

  ! Each step of training takes the fields as they are, and is an epoch.
  call mec_trainer_open(trainer, settings, channels=1)
  do step = 1, training
    call advance(heat, 0.2_real64)
    call to_bytes(heat, images)
    call mec_trainer_step(trainer, images, loss)
    if (mod(step, 50) == 0) print "(a,i4,a,f8.4)", "step", step, "  loss", loss
  end do
  call mec_trainer_encoder(trainer, encoder)
  call mec_trainer_free(trainer)

  ! What is usual: the fields of some further times, and how far the last are from all others.
  call mec_encoder_describe(encoder, info)
  allocate (seen(info%features, copies * watching), now(info%features, copies))
  do step = 1, watching
    call advance(heat, 0.2_real64)
    call embed(heat, seen(:, (step - 1) * copies + 1:step * copies))
  end do
  call advance(heat, 0.2_real64)
  call embed(heat, now)
  usual = maxval(distances(now, seen))

  ! An explicit step of more than 1/4 lets the shortest waves grow.
  do step = 1, 7
    call advance(heat(:, :, broken:broken), 0.4_real64)
  end do
  call embed(heat, now)
  distance = distances(now, seen)
  do copy = 1, copies
    if (distance(copy) > 2 * usual) print "(a,i3,a,f7.4,a,f7.4)", "copy", copy, " is unusual: its distance is", distance(copy), &
        ", the largest before was", usual
  end do
  call mec_encoder_free(encoder)
  if (any((distance > 2 * usual) .neqv. ([(copy, copy = 1, copies)] == broken))) error stop "the wrong copies were flagged"

contains

  ! Five steps of length dt of ∂u/∂t = Δu, periodic, with a source and a sink of random place.
  subroutine advance(u, dt)
    real(real64), intent(inout) :: u(:, :, :)
    real(real64), intent(in) :: dt
    real(real64) :: place(4)
    integer :: i, k, at(4)
    do k = 1, size(u, 3)
      do i = 1, 5
        call random_number(place)
        at = 1 + int(place * side)
        u(at(1), at(2), k) = u(at(1), at(2), k) + 4
        u(at(3), at(4), k) = u(at(3), at(4), k) - 4
        u(:, :, k) = u(:, :, k) + dt * (cshift(u(:, :, k), 1, 1) + cshift(u(:, :, k), -1, 1) + cshift(u(:, :, k), 1, 2) + &
            cshift(u(:, :, k), -1, 2) - 4 * u(:, :, k))
      end do
    end do
  end subroutine

  ! Gray levels: 128 is 0, and what lies beyond ±2 is cut. int8 holds 0 to 255 by wrapping.
  subroutine to_bytes(u, bytes)
    real(real64), intent(in) :: u(:, :, :)
    integer(int8), intent(out) :: bytes(:, :, :, :)
    integer :: levels(size(u, 1), size(u, 2), size(u, 3))
    levels = nint(min(max(128 + 64 * u, 0.0_real64), 255.0_real64))
    bytes(1, :, :, :) = int(merge(levels - 256, levels, levels > 127), int8)
  end subroutine

  subroutine embed(u, features)
    real(real64), intent(in) :: u(:, :, :)
    real(real32), intent(out), contiguous :: features(:, :)
    call to_bytes(u, images)
    call mec_encoder_embed(encoder, images, features)
  end subroutine

  ! One minus the largest cosine of each feature vector with those that were seen.
  function distances(features, seen)
    real(real32), intent(in) :: features(:, :), seen(:, :)
    real(real64) :: distances(size(features, 2)), cosine
    integer :: i, j
    distances = 2
    do i = 1, size(features, 2)
      do j = 1, size(seen, 2)
        cosine = dot_product(features(:, i), seen(:, j)) / (norm2(features(:, i)) * norm2(seen(:, j)))
        distances(i) = min(distances(i), 1 - cosine)
      end do
    end do
  end function

end program field
