/**
 * Device errors as exceptions. WebGPU reports a broken shader, a failed validation or a lost device beside the
 * program's flow, and the stock backend goes on and returns zeros. Here the first error is kept, and the next
 * time anything is read from the device (`data()`, `array()`, `readTensors`, `checkDevice`) it is thrown.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { SpectraError } from '../errors.ts';
import { acquireBySize, ownValues } from './webgpu-buffers.ts';
import { recycleAtOnce } from './webgpu-recycling.ts';

type Module = typeof import('@tensorflow/tfjs-backend-webgpu');

/** What is kept of a device's errors until they are thrown. */
export class DeviceErrors {
  private first: string | undefined;
  private count = 0;
  private lost = false;

  constructor(device: GPUDevice) {
    device.onuncapturederror = event => {
      event.preventDefault();
      this.note(event.error.message);
    };
    void device.lost.then(info => {
      if (info.reason === 'destroyed') return;
      this.lost = true;
      this.note(`the device was lost: ${info.message}`);
    });
  }

  note(message: string): void {
    this.first ??= message;
    this.count++;
  }

  /** Throws what was noted since the last call. A lost device keeps throwing. */
  throwNoted(cause?: unknown): void {
    if (this.first === undefined) return;
    const more = this.count > 1 ? ` (and ${this.count - 1} more)` : '';
    const message = `the WebGPU device reported an error${more}: ${this.first}`;
    if (!this.lost) this.first = undefined;
    this.count = 0;
    throw new SpectraError('BACKEND_FAILED', {
      message,
      where: 'webgpu',
      fix: 'Values computed since the last read are not valid.',
      cause,
    });
  }
}

const errorsOf = new WeakMap<object, DeviceErrors>();

/** The errors of a backend made by `checkedBackend`. */
export function deviceErrors(backend: object): DeviceErrors | undefined {
  return errorsOf.get(backend);
}

/** A WebGPU backend on this device whose reads throw what went wrong before them, and which uses its buffers again. */
export function checkedBackend(module: Module, device: GPUDevice, info: GPUAdapterInfo): WebGPUBackend {
  const errors = new DeviceErrors(device);
  class CheckedWebGPUBackend extends module.WebGPUBackend {
    override async read(dataId: object): ReturnType<WebGPUBackend['read']> {
      try {
        const values = await super.read(dataId);
        errors.throwNoted();
        return ownValues(this, dataId, values);
      } catch (cause) {
        errors.throwNoted(cause);
        throw cause;
      }
    }

    override readSync(dataId: object): ReturnType<WebGPUBackend['readSync']> {
      return ownValues(this, dataId, super.readSync(dataId));
    }
  }
  const backend = new CheckedWebGPUBackend(device, info);
  recycleAtOnce(backend);
  acquireBySize(backend);
  errorsOf.set(backend, errors);
  return backend;
}
