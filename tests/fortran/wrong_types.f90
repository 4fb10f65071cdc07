! What does not compile: elements of other types than the module takes.
subroutine wrong_types(trainer, objective, encoder)
  use, intrinsic :: iso_fortran_env, only: int8, real32, real64
  use mec
  implicit none
  type(mec_trainer), intent(inout) :: trainer
  type(mec_objective), intent(in) :: objective
  type(mec_encoder), intent(in) :: encoder
  integer(int8) :: bytes(1, 8, 8, 4)
  real(real32) :: pixels(1, 8, 8, 4), rows(2, 2)
  real(real64) :: loss, features(2, 4)
  call mec_trainer_step(trainer, pixels, loss)
  call mec_objective_loss(objective, rows, rows, loss)
  call mec_encoder_embed(encoder, bytes, features)
end subroutine
