/** Stands in for the player of operations of @xiplab/testkit until that has landed. */
import {
  BusError,
  type MappedRegion,
  type Name,
  type OpenFile,
  Task,
  FsError,
  type Vfs,
} from "@xiplab/core";
import { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_WRONLY } from "@xiplab/core";
import { type FileRef, OK, type Operation, type Result, pattern } from "@xiplab/testkit";

class Player {
  readonly task: Task;
  files = new Map<number, OpenFile>();
  regions = new Map<number, MappedRegion>();
  constructor(vfs: Vfs) {
    this.task = new Task(vfs);
  }
  play(o: Operation): Result {
    try {
      return this.run(o);
    } catch (error) {
      if (error instanceof FsError) return { error: error.code };
      if (error instanceof BusError) return { error: "SIGBUS" };
      throw error;
    }
  }
  private on<T>(ref: FileRef, flags: number, f: (file: OpenFile) => T): T {
    if (typeof ref === "number") return f(this.files.get(ref)!);
    const file = this.task.open(ref as Name, flags, 0);
    try {
      return f(file);
    } finally {
      this.task.close(file);
    }
  }
  private run(o: Operation): Result {
    const { task } = this;
    switch (o.op) {
      case "open":
        this.files.set(o.slot, task.open(o.path as Name, o.flags, o.mode));
        return OK;
      case "close":
        task.close(this.files.get(o.slot)!);
        this.files.delete(o.slot);
        return OK;
      case "create":
        task.close(task.open(o.path as Name, O_CREAT | O_EXCL | O_WRONLY, o.mode));
        return OK;
      case "write":
        return this.on(o.file, o.pos === null ? O_WRONLY | O_APPEND : O_WRONLY, (file) => {
          const at = o.pos ?? (file.isAppend ? file.inode.size : file.position);
          const data = pattern(o.seed, at, o.length);
          if (o.pos === null) return { ok: task.write(file, data) };
          return { ok: task.pwrite(file, data, 0, o.length, o.pos) };
        });
      case "truncate":
        if (typeof o.file === "string") task.truncate(o.file as Name, o.size);
        else task.ftruncate(this.files.get(o.file)!, o.size);
        return OK;
      case "fallocate":
        return this.on(o.file, O_WRONLY, (file) => {
          task.fallocate(file, o.mode, o.pos, o.length);
          return OK;
        });
      case "fsync":
        return this.on(o.file, O_RDONLY, (file) => {
          if (o.datasync) task.fdatasync(file);
          else task.fsync(file);
          return OK;
        });
      case "sync":
        task.syncfs();
        return OK;
      case "map":
        return this.on(o.file, O_RDWR, (file) => {
          this.regions.set(o.region, task.mmap(file, o.pos, o.length, o));
          return OK;
        });
      case "store": {
        const region = this.regions.get(o.region)!;
        region.store(o.offset, pattern(o.seed, region.pos + o.offset, o.length), 0, o.length);
        return OK;
      }
      case "msync":
        this.regions.get(o.region)!.msync(o.offset, o.length);
        return OK;
      case "unmap":
        this.regions.get(o.region)!.unmap();
        this.regions.delete(o.region);
        return OK;
      case "mkdir":
        task.mkdir(o.path as Name, o.mode);
        return OK;
      case "rmdir":
        task.rmdir(o.path as Name);
        return OK;
      case "unlink":
        task.unlink(o.path as Name);
        return OK;
      case "link":
        task.link(o.existing as Name, o.path as Name);
        return OK;
      case "symlink":
        task.symlink(o.target as Name, o.path as Name);
        return OK;
      case "rename":
        task.rename(o.from as Name, o.to as Name, o.flags);
        return OK;
      case "chmod":
        task.chmod(o.file as Name, o.mode);
        return OK;
      default:
        throw new Error(`no ${o.op}`);
    }
  }
}

export const newPlayer = (vfs: Vfs): Player => new Player(vfs);
