mod heads;
mod heartbeats;
mod publish;
mod restore;
mod terms;
