/* Overread: the views of ndarray (npm, 1.0.19) as classes. The original writes each class as text and has it evaluated,
   which the viewer's Content Security Policy refuses, and with it every segmentation. Same interface, same results:
   https://github.com/scijs/ndarray#readme. deploy/front_end.py puts this in the place of the original. */
function compileConstructor(dtype, dimension) {
  const read = dtype === "generic" ? (data, at) => data.get(at) : (data, at) => data[at];
  const write = dtype === "generic" ? (data, at, value) => data.set(at, value) : (data, at, value) => (data[at] = value);
  const isIndex = (i) => typeof i === "number" && i >= 0;

  class Nil {
    constructor(data) {
      this.data = data;
    }
    index() {
      return -1;
    }
    lo() {
      return new Nil(this.data);
    }
    hi() {
      return new Nil(this.data);
    }
    transpose() {
      return new Nil(this.data);
    }
    step() {
      return new Nil(this.data);
    }
    get() {}
    set() {}
    pick() {
      return null;
    }
  }
  Object.assign(Nil.prototype, { dtype, size: 0, dimension: -1, shape: [], stride: [], order: [] });

  class View {
    constructor(data, shape, stride, offset) {
      this.data = data;
      this.shape = shape;
      this.stride = stride;
      this.offset = offset | 0;
    }
    get size() {
      return this.shape.reduce((all, length) => all * length, 1);
    }
    get order() {
      const axes = this.stride.map((step, axis) => [Math.abs(step), axis]);
      return axes.sort((one, other) => one[0] - other[0]).map(([, axis]) => axis);
    }
    index(...at) {
      return this.stride.reduce((sum, step, axis) => sum + step * at[axis], this.offset);
    }
    get(...at) {
      return read(this.data, this.index(...at));
    }
    set(...at) {
      return write(this.data, this.index(...at), at[dimension]);
    }
    valueOf() {
      return dimension === 0 ? this.get() : this;
    }
    hi(...ends) {
      const shape = this.shape.map((length, axis) => (isIndex(ends[axis]) ? ends[axis] | 0 : length));
      return new this.constructor(this.data, shape, [...this.stride], this.offset);
    }
    lo(...starts) {
      const from = this.shape.map((_, axis) => (isIndex(starts[axis]) ? starts[axis] | 0 : 0));
      const shape = this.shape.map((length, axis) => length - from[axis]);
      const offset = from.reduce((sum, start, axis) => sum + this.stride[axis] * start, this.offset);
      return new this.constructor(this.data, shape, [...this.stride], offset);
    }
    step(...steps) {
      const shape = [...this.shape];
      const stride = [...this.stride];
      let offset = this.offset;
      for (let axis = 0; axis < dimension; axis += 1) {
        if (typeof steps[axis] !== "number") continue;
        const by = steps[axis] | 0;
        if (by < 0) offset += stride[axis] * (shape[axis] - 1);
        shape[axis] = Math.ceil(shape[axis] / Math.abs(by));
        stride[axis] *= by;
      }
      return new this.constructor(this.data, shape, stride, offset);
    }
    transpose(...axes) {
      const chosen = this.shape.map((_, axis) => (axes[axis] === undefined ? axis : axes[axis] | 0));
      const [shape, stride] = [this.shape, this.stride].map((list) => chosen.map((axis) => list[axis]));
      return new this.constructor(this.data, shape, stride, this.offset);
    }
    pick(...at) {
      if (dimension === 0) return new Nil(this.data);
      const kept = this.shape.map((_, axis) => axis).filter((axis) => !isIndex(at[axis]));
      const offset = this.stride.reduce((sum, step, axis) => sum + (isIndex(at[axis]) ? step * at[axis] : 0), this.offset);
      const [shape, stride] = [this.shape, this.stride].map((list) => kept.map((axis) => list[axis]));
      return compileConstructor(dtype, kept.length)(this.data, shape, stride, offset | 0);
    }
  }
  Object.assign(View.prototype, { dtype, dimension });

  /* What is asked for every pixel. */
  class View1 extends View {
    get(i) {
      return read(this.data, this.offset + this.stride[0] * i);
    }
    set(i, value) {
      return write(this.data, this.offset + this.stride[0] * i, value);
    }
  }
  class View2 extends View {
    get(i, j) {
      return read(this.data, this.offset + this.stride[0] * i + this.stride[1] * j);
    }
    set(i, j, value) {
      return write(this.data, this.offset + this.stride[0] * i + this.stride[1] * j, value);
    }
  }

  if (dimension < 0) return (data) => new Nil(data);
  const Made = { 1: View1, 2: View2 }[dimension] ?? View;
  return (data, shape, stride, offset) => new Made(data, [...shape].slice(0, dimension), [...stride].slice(0, dimension), offset);
}
