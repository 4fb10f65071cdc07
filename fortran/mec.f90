! mec from Fortran: encoders of images, losses, and training in your own loop, over the C interface
! (mec.h says what each call does; docs/embedding.md has an example).
!
! Arrays lie as C has them: images (channels,width,height,count), features (d,count), embeddings
! (d,m). Each procedure has a last argument `status`, which may be left out: then an error stops the
! program with its message. mec_last_error() is the message otherwise, of this thread (of the team's
! threads, where the module is compiled for OpenMP). Blanks at the end of paths do not count. What
! is open in a variable must be freed before the variable takes something else.
module mec
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: error_unit, int64, int8, real32, real64
  use mec_c
  implicit none
  private

  public :: mec_version, mec_last_error
  public :: mec_encoder, mec_encoder_info, mec_encoder_open, mec_encoder_describe, mec_encoder_embed, mec_encoder_free
  public :: mec_objective, mec_objective_open, mec_objective_loss, mec_objective_free
  public :: mec_trainer, mec_trainer_info, mec_trainer_open, mec_trainer_describe, mec_trainer_next, mec_trainer_step
  public :: mec_trainer_figure, mec_trainer_encoder, mec_trainer_save_encoder, mec_trainer_save_checkpoint
  public :: mec_trainer_finish, mec_trainer_free

  integer, parameter, public :: mec_ok = 0, mec_error_handle = 1, mec_error_shape = 2, mec_error_dtype = 3, &
      mec_error_value = 4, mec_error_io = 5, mec_error_numerical = 6, mec_error_memory = 7, mec_error_device = 8, &
      mec_error_other = 9

  integer(c_int), parameter :: u8 = 0, f32 = 1, f64 = 2

  type :: mec_encoder
    private
    type(c_ptr) :: handle = c_null_ptr
  end type
  type :: mec_objective
    private
    type(c_ptr) :: handle = c_null_ptr
  end type
  type :: figure
    character(:), allocatable :: name
    real(real64) :: value
  end type
  type :: mec_trainer
    private
    type(c_ptr) :: handle = c_null_ptr
    type(figure), allocatable :: figures(:)  ! of the last step
  end type

  ! The message of what this module refused itself; blank where the last error is one of C's.
  character(200), save :: refusal = ""
  !$omp threadprivate(refusal)

contains

  function mec_version() result(text)
    character(:), allocatable :: text
    text = text_at(c_version())
  end function

  function mec_last_error() result(text)
    character(:), allocatable :: text
    text = trim(refusal)
    if (text == "") text = text_at(c_last_error())
  end function

  ! source: a run's folder, or a weights file.
  subroutine mec_encoder_open(encoder, source, threads, status)
    type(mec_encoder), intent(inout) :: encoder
    character(*), intent(in) :: source
    integer, intent(in), optional :: threads  ! 0, the default: one for each processor
    integer, intent(out), optional :: status
    if (is_open(encoder%handle, "mec_encoder_open: this encoder", status)) return
    call finish(c_encoder_open(trim(source) // c_null_char, cpu(threads), encoder%handle), status)
  end subroutine

  subroutine mec_encoder_describe(encoder, info, status)
    type(mec_encoder), intent(in) :: encoder
    type(mec_encoder_info), intent(out) :: info
    integer, intent(out), optional :: status
    info%size = c_sizeof(info)
    call finish(c_encoder_describe(encoder%handle, info), status)
  end subroutine

  ! images (channels,width,height,count): bytes, as files have them. features (d,count).
  subroutine mec_encoder_embed(encoder, images, features, status)
    type(mec_encoder), intent(in) :: encoder
    integer(int8), intent(in), contiguous, target :: images(:, :, :, :)
    real(real32), intent(out), contiguous, target :: features(:, :)
    integer, intent(out), optional :: status
    type(mec_encoder_info) :: info
    integer :: described
    call mec_encoder_describe(encoder, info, described)
    if (described == mec_ok .and. any(shape(features, int64) /= [info%features, size(images, 4, int64)])) then
      call refuse("mec_encoder_embed: features must be (d,count) = " // sizes(info%features, size(images, 4, int64)) // &
          ", but are " // sizes(size(features, 1, int64), size(features, 2, int64)), mec_error_shape, status)
    else
      call finish(c_encoder_embed(encoder%handle, struct_of(images), c_loc(features)), status)
    end if
  end subroutine

  subroutine mec_encoder_free(encoder, status)
    type(mec_encoder), intent(inout) :: encoder
    integer, intent(out), optional :: status
    type(c_ptr) :: handle
    handle = encoder%handle
    encoder%handle = c_null_ptr
    call finish(c_encoder_free(handle), status)
  end subroutine

  ! settings: TOML, such as 'method = "mec"' and a section of its own; "" for the defaults of mec.
  subroutine mec_objective_open(objective, settings, threads, status)
    type(mec_objective), intent(inout) :: objective
    character(*), intent(in) :: settings
    integer, intent(in), optional :: threads
    integer, intent(out), optional :: status
    if (is_open(objective%handle, "mec_objective_open: this objective", status)) return
    call finish(c_objective_open(settings // c_null_char, cpu(threads), objective%handle), status)
  end subroutine

  ! The loss of embeddings p and z (d,m), and its gradients.
  subroutine mec_objective_loss(objective, p, z, loss, dp, dz, status)
    type(mec_objective), intent(in) :: objective
    real(real64), intent(in), contiguous, target :: p(:, :), z(:, :)
    real(real64), intent(out) :: loss
    real(real64), intent(out), contiguous, target, optional :: dp(:, :), dz(:, :)
    integer, intent(out), optional :: status
    type(figures_struct) :: figures
    type(embeddings_struct) :: embeddings
    real(c_double), pointer :: values(:)
    integer(c_int) :: result
    loss = 0
    if (any(shape(z) /= shape(p)) .or. wrong(dp) .or. wrong(dz)) then
      call refuse("mec_objective_loss: p, z and their gradients must have one shape (d,m), that of p is " // &
          sizes(size(p, 1, int64), size(p, 2, int64)), mec_error_shape, status)
      return
    end if
    embeddings = embeddings_struct(c_sizeof(embeddings), f64, size(p, 2, c_int64_t), size(p, 1, c_int64_t), c_loc(p), &
        c_loc(z), c_null_ptr, 0, c_null_ptr, c_null_ptr)
    if (present(dp)) embeddings%dp = c_loc(dp)
    if (present(dz)) embeddings%dz = c_loc(dz)
    result = c_objective_evaluate(objective%handle, embeddings, figures)
    if (result == mec_ok) then
      call c_f_pointer(figures%values, values, [figures%count])
      loss = values(1)
    end if
    call finish(result, status)
  contains
    logical function wrong(gradient)
      real(real64), intent(in), optional :: gradient(:, :)
      wrong = .false.
      if (present(gradient)) wrong = any(shape(gradient) /= shape(p))
    end function
  end subroutine

  subroutine mec_objective_free(objective, status)
    type(mec_objective), intent(inout) :: objective
    integer, intent(out), optional :: status
    type(c_ptr) :: handle
    handle = objective%handle
    objective%handle = c_null_ptr
    call finish(c_objective_free(handle), status)
  end subroutine

  ! settings: TOML, as of `mec pretrain`. images: in the data set, or so many as make an epoch;
  ! without it each step is an epoch. folder: of the run's files; checkpoint: to go on from.
  subroutine mec_trainer_open(trainer, settings, channels, images, folder, resume, checkpoint, threads, status)
    type(mec_trainer), intent(inout) :: trainer
    character(*), intent(in) :: settings
    integer, intent(in) :: channels
    integer(int64), intent(in), optional :: images
    character(*), intent(in), optional :: folder, checkpoint
    logical, intent(in), optional :: resume
    integer, intent(in), optional :: threads
    integer, intent(out), optional :: status
    type(trainer_options_struct) :: options
    character(kind=c_char, len=:), allocatable, target :: folder_text, checkpoint_text
    if (is_open(trainer%handle, "mec_trainer_open: this trainer", status)) return
    options = trainer_options_struct(0, 0, channels, c_null_ptr, 0, c_null_ptr, c_null_funptr, c_null_ptr)
    options%size = c_sizeof(options)
    if (present(images)) options%images = images
    if (present(folder)) then
      folder_text = trim(folder) // c_null_char
      options%folder = c_loc(folder_text)
    end if
    if (present(checkpoint)) then
      checkpoint_text = trim(checkpoint) // c_null_char
      options%checkpoint = c_loc(checkpoint_text)
    end if
    if (present(resume)) options%resume = merge(1, 0, resume)
    call finish(c_trainer_open(settings // c_null_char, options, cpu(threads), trainer%handle), status)
  end subroutine

  subroutine mec_trainer_describe(trainer, info, status)
    type(mec_trainer), intent(in) :: trainer
    type(mec_trainer_info), intent(out) :: info
    integer, intent(out), optional :: status
    info%size = c_sizeof(info)
    call finish(c_trainer_describe(trainer%handle, info), status)
  end subroutine

  ! numbers (batch): which images the next step takes, counted from 0.
  subroutine mec_trainer_next(trainer, numbers, status)
    type(mec_trainer), intent(in) :: trainer
    integer(int64), intent(out), contiguous, target :: numbers(:)
    integer, intent(out), optional :: status
    type(mec_trainer_info) :: info
    integer :: described
    call mec_trainer_describe(trainer, info, described)
    if (described == mec_ok .and. size(numbers, kind=int64) /= info%batch) then
      call refuse("mec_trainer_next: numbers must be (batch) = " // sizes(info%batch) // ", but are " // &
          sizes(size(numbers, kind=int64)), mec_error_shape, status)
    else
      call finish(c_trainer_next(trainer%handle, c_loc(numbers)), status)
    end if
  end subroutine

  ! images (channels,width,height,batch), bytes.
  subroutine mec_trainer_step(trainer, images, loss, status)
    type(mec_trainer), intent(inout) :: trainer
    integer(int8), intent(in), contiguous, target :: images(:, :, :, :)
    real(real64), intent(out), optional :: loss
    integer, intent(out), optional :: status
    type(figures_struct) :: figures
    integer(c_int) :: result
    result = c_trainer_step(trainer%handle, struct_of(images), figures)
    if (result == mec_ok) then
      call copy_figures(figures, trainer%figures)
      if (present(loss)) loss = mec_trainer_figure(trainer, "loss")
    end if
    call finish(result, status)
  end subroutine

  ! A figure of the last step; not a number where it has none of that name.
  real(real64) function mec_trainer_figure(trainer, name) result(value)
    use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
    type(mec_trainer), intent(in) :: trainer
    character(*), intent(in) :: name
    integer :: i
    value = ieee_value(value, ieee_quiet_nan)
    if (.not. allocated(trainer%figures)) return
    do i = 1, size(trainer%figures)
      if (trainer%figures(i)%name == name) value = trainer%figures(i)%value
    end do
  end function

  ! A copy of the encoder as it is now; the caller frees it.
  subroutine mec_trainer_encoder(trainer, encoder, status)
    type(mec_trainer), intent(in) :: trainer
    type(mec_encoder), intent(inout) :: encoder
    integer, intent(out), optional :: status
    if (is_open(encoder%handle, "mec_trainer_encoder: this encoder", status)) return
    call finish(c_trainer_encoder(trainer%handle, encoder%handle), status)
  end subroutine

  subroutine mec_trainer_save_encoder(trainer, file, status)
    type(mec_trainer), intent(in) :: trainer
    character(*), intent(in) :: file
    integer, intent(out), optional :: status
    call finish(c_trainer_save_encoder(trainer%handle, trim(file) // c_null_char), status)
  end subroutine

  subroutine mec_trainer_save_checkpoint(trainer, file, status)
    type(mec_trainer), intent(in) :: trainer
    character(*), intent(in) :: file
    integer, intent(out), optional :: status
    call finish(c_trainer_save_checkpoint(trainer%handle, trim(file) // c_null_char), status)
  end subroutine

  subroutine mec_trainer_finish(trainer, status)
    type(mec_trainer), intent(in) :: trainer
    integer, intent(out), optional :: status
    call finish(c_trainer_finish(trainer%handle), status)
  end subroutine

  subroutine mec_trainer_free(trainer, status)
    type(mec_trainer), intent(inout) :: trainer
    integer, intent(out), optional :: status
    type(c_ptr) :: handle
    handle = trainer%handle
    trainer = mec_trainer()
    call finish(c_trainer_free(handle), status)
  end subroutine

  ! ---- private

  type(device_struct) function cpu(threads)
    integer, intent(in), optional :: threads
    cpu = device_struct(0, c_null_ptr, c_null_ptr, 0, 0, 0, 0)
    cpu%size = c_sizeof(cpu)
    if (present(threads)) cpu%threads = threads
  end function

  type(images_struct) function struct_of(images)
    integer(int8), intent(in), contiguous, target :: images(:, :, :, :)
    struct_of = images_struct(c_loc(images), u8, size(images, 4, c_int64_t), size(images, 3, c_int64_t), &
        size(images, 2, c_int64_t), size(images, 1, c_int64_t))
  end function

  subroutine finish(result, status)
    integer(c_int), intent(in) :: result
    integer, intent(out), optional :: status
    if (result /= mec_ok) refusal = ""
    call answer(result, status)
  end subroutine

  ! What C could not tell: arrays that do not fit each other, a handle that would be lost.
  subroutine refuse(message, error, status)
    character(*), intent(in) :: message
    integer, intent(in) :: error
    integer, intent(out), optional :: status
    refusal = message
    call answer(error, status)
  end subroutine

  subroutine answer(result, status)
    integer, intent(in) :: result
    integer, intent(out), optional :: status
    if (present(status)) then
      status = result
    else if (result /= mec_ok) then
      write (error_unit, "(a)") mec_last_error()
      error stop 1
    end if
  end subroutine

  ! Refuses a variable whose handle would be lost.
  logical function is_open(handle, what, status)
    type(c_ptr), intent(in) :: handle
    character(*), intent(in) :: what
    integer, intent(out), optional :: status
    is_open = c_associated(handle)
    if (is_open) call refuse(what // " is open already; free it first, or use another variable", mec_error_value, status)
  end function

  ! What the thread was given, for as long as the trainer is there.
  subroutine copy_figures(given, figures)
    type(figures_struct), intent(in) :: given
    type(figure), allocatable, intent(out) :: figures(:)
    type(c_ptr), pointer :: names(:)
    real(c_double), pointer :: values(:)
    integer(int64) :: i
    call c_f_pointer(given%names, names, [given%count])
    call c_f_pointer(given%values, values, [given%count])
    allocate (figures(given%count))
    do i = 1, given%count
      figures(i)%name = text_at(names(i))
      figures(i)%value = values(i)
    end do
  end subroutine

  ! "(3)", "(3,4)"
  function sizes(first, second) result(text)
    integer(int64), intent(in) :: first
    integer(int64), intent(in), optional :: second
    character(:), allocatable :: text
    character(50) :: room
    if (present(second)) then
      write (room, "(a,i0,a,i0,a)") "(", first, ",", second, ")"
    else
      write (room, "(a,i0,a)") "(", first, ")"
    end if
    text = trim(room)
  end function

  function text_at(address) result(text)
    type(c_ptr), intent(in) :: address
    character(:), allocatable :: text
    character(kind=c_char), pointer :: letters(:)
    integer :: i
    call c_f_pointer(address, letters, [c_strlen(address)])
    allocate (character(size(letters)) :: text)
    do i = 1, size(letters)
      text(i:i) = letters(i)
    end do
  end function

end module mec
