! mec.h as Fortran calls it: structs and functions, under names of this module's own. Programs use
! the module mec, which stands over it.
module mec_c
  use, intrinsic :: iso_c_binding
  implicit none
  public

  type, bind(c) :: mec_encoder_info
    integer(c_size_t) :: size
    integer(c_int64_t) :: channels, image_size, features
    real(c_double) :: mean(3), std(3)
  end type

  type, bind(c) :: mec_trainer_info
    integer(c_size_t) :: size
    integer(c_int64_t) :: batch, views, steps, steps_per_epoch, steps_done
  end type

  type, bind(c) :: device_struct
    integer(c_size_t) :: size
    type(c_ptr) :: name, kernels
    integer(c_int32_t) :: threads, gpu, tf32, reserved
  end type
  type, bind(c) :: images_struct
    type(c_ptr) :: pixels
    integer(c_int) :: dtype
    integer(c_int64_t) :: count, height, width, channels
  end type
  type, bind(c) :: embeddings_struct
    integer(c_size_t) :: size
    integer(c_int) :: dtype
    integer(c_int64_t) :: m, d
    type(c_ptr) :: p, z, queue
    integer(c_int64_t) :: queue_rows
    type(c_ptr) :: dp, dz
  end type
  type, bind(c) :: figures_struct
    integer(c_int64_t) :: count
    type(c_ptr) :: names, values
  end type
  type, bind(c) :: trainer_options_struct
    integer(c_size_t) :: size
    integer(c_int64_t) :: images, channels
    type(c_ptr) :: folder
    integer(c_int32_t) :: resume
    type(c_ptr) :: checkpoint
    type(c_funptr) :: note
    type(c_ptr) :: context
  end type

  interface
    function c_version() bind(c, name="mec_version") result(text)
      import c_ptr
      type(c_ptr) :: text
    end function
    function c_last_error() bind(c, name="mec_last_error") result(text)
      import c_ptr
      type(c_ptr) :: text
    end function
    integer(c_size_t) function c_strlen(text) bind(c, name="strlen")
      import c_ptr, c_size_t
      type(c_ptr), value :: text
    end function
    integer(c_int) function c_encoder_open(source, device, handle) bind(c, name="mec_encoder_open")
      import c_int, c_ptr, device_struct, c_char
      character(kind=c_char), intent(in) :: source(*)
      type(device_struct), intent(in) :: device
      type(c_ptr), intent(out) :: handle
    end function
    integer(c_int) function c_encoder_describe(handle, info) bind(c, name="mec_encoder_describe")
      import c_int, c_ptr, mec_encoder_info
      type(c_ptr), value :: handle
      type(mec_encoder_info), intent(inout) :: info
    end function
    integer(c_int) function c_encoder_embed(handle, images, features) bind(c, name="mec_encoder_embed")
      import c_int, c_ptr, images_struct
      type(c_ptr), value :: handle, features
      type(images_struct), intent(in) :: images
    end function
    integer(c_int) function c_encoder_free(handle) bind(c, name="mec_encoder_free")
      import c_int, c_ptr
      type(c_ptr), value :: handle
    end function
    integer(c_int) function c_objective_open(settings, device, handle) bind(c, name="mec_objective_open")
      import c_int, c_ptr, device_struct, c_char
      character(kind=c_char), intent(in) :: settings(*)
      type(device_struct), intent(in) :: device
      type(c_ptr), intent(out) :: handle
    end function
    integer(c_int) function c_objective_evaluate(handle, embeddings, figures) bind(c, name="mec_objective_evaluate")
      import c_int, c_ptr, embeddings_struct, figures_struct
      type(c_ptr), value :: handle
      type(embeddings_struct), intent(in) :: embeddings
      type(figures_struct), intent(out) :: figures
    end function
    integer(c_int) function c_objective_free(handle) bind(c, name="mec_objective_free")
      import c_int, c_ptr
      type(c_ptr), value :: handle
    end function
    integer(c_int) function c_trainer_open(settings, options, device, handle) bind(c, name="mec_trainer_open")
      import c_int, c_ptr, c_char, device_struct, trainer_options_struct
      character(kind=c_char), intent(in) :: settings(*)
      type(trainer_options_struct), intent(in) :: options
      type(device_struct), intent(in) :: device
      type(c_ptr), intent(out) :: handle
    end function
    integer(c_int) function c_trainer_describe(handle, info) bind(c, name="mec_trainer_describe")
      import c_int, c_ptr, mec_trainer_info
      type(c_ptr), value :: handle
      type(mec_trainer_info), intent(inout) :: info
    end function
    integer(c_int) function c_trainer_next(handle, numbers) bind(c, name="mec_trainer_next")
      import c_int, c_ptr
      type(c_ptr), value :: handle, numbers
    end function
    integer(c_int) function c_trainer_step(handle, images, figures) bind(c, name="mec_trainer_step")
      import c_int, c_ptr, images_struct, figures_struct
      type(c_ptr), value :: handle
      type(images_struct), intent(in) :: images
      type(figures_struct), intent(out) :: figures
    end function
    integer(c_int) function c_trainer_encoder(handle, encoder) bind(c, name="mec_trainer_encoder")
      import c_int, c_ptr
      type(c_ptr), value :: handle
      type(c_ptr), intent(out) :: encoder
    end function
    integer(c_int) function c_trainer_save_encoder(handle, file) bind(c, name="mec_trainer_save_encoder")
      import c_int, c_ptr, c_char
      type(c_ptr), value :: handle
      character(kind=c_char), intent(in) :: file(*)
    end function
    integer(c_int) function c_trainer_save_checkpoint(handle, file) bind(c, name="mec_trainer_save_checkpoint")
      import c_int, c_ptr, c_char
      type(c_ptr), value :: handle
      character(kind=c_char), intent(in) :: file(*)
    end function
    integer(c_int) function c_trainer_finish(handle) bind(c, name="mec_trainer_finish")
      import c_int, c_ptr
      type(c_ptr), value :: handle
    end function
    integer(c_int) function c_trainer_free(handle) bind(c, name="mec_trainer_free")
      import c_int, c_ptr
      type(c_ptr), value :: handle
    end function
  end interface

end module mec_c
